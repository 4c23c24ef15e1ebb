/** Formats a detection as a table. */
import type { Detection } from '../../domain/detection';
import { describeRarity, formatValue } from '../../sinks/log';
import { printable } from '../../system/printable';
import { formatTable } from '../table';

/** Shows the surprise and the statistics, then each channel with its expected value, then the latent code. */
export function formatExplanation(detection: Detection): string {
  const { surprise, threshold, contributions, nearestNormal, origin, statistics } = detection;
  const rows = contributions.map((one) => [
    printable(one.channel),
    formatValue(one.actual, one.expected),
    formatValue(one.expected, one.actual),
    one.surprise.toFixed(1),
    one.contribution.toFixed(1),
    nearestNormal?.leftOut.includes(one.channel) === true ? 'does not fit the others' : '',
  ]);
  const latent = (nearestNormal?.latent ?? []).map(({ level, dimension, value, expected, nats }) => [
    `level ${level}, dimension ${dimension}`,
    formatValue(value),
    formatValue(expected),
    nats.toFixed(1),
  ]);
  return [
    `detector ${detection.detector}, model version ${detection.modelVersion}`,
    `key ${printable(detection.key)}, ${new Date(detection.timestamp).toISOString()}, record ${origin.offset} of ${origin.topic}` +
      (origin.file === undefined ? '' : ` (${printable(origin.file)})`),
    '',
    `surprise ${surprise.toFixed(2)} (${describeRarity(surprise)}), ` +
      (detection.anomalous ? 'anomalous' : 'normal') +
      ` (threshold ${threshold.toFixed(2)})`,
    ...Object.entries(statistics).map(
      ([name, nats]) => `  ${name.padEnd(16)}${nats.toFixed(1).padStart(8)} nats`,
    ),
    '',
    ...formatTable(['channel', 'actual', 'expected', 'surprise', 'nats', ''], rows),
    ...(nearestNormal === undefined
      ? []
      : [`together ${nearestNormal.reconstruction.toFixed(1)} nats, given the nearest normal`]),
    '',
    ...formatTable(['code', 'value', 'expected', 'nats'], latent),
    '',
  ].join('\n');
}
