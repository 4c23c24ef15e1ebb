/** Describes a model version that was trained or imported in a few lines. Its report contains the rest. */
import { join } from 'node:path';
import { count, iso } from '../offline/wording';
import type { TrainingResult } from '../runtime/trainer';
import type { OpenDetector } from './detector';

export function describeVersion(
  { settings, detector: { detector } }: OpenDetector,
  { version, report }: TrainingResult,
): string {
  const { records, rejectedRecords, excludedRecords, windows, span, epochs, bestEpoch, validationLoss } =
    report;
  const number = (n: number): string => n.toLocaleString('en');
  const rest = [
    ...(rejectedRecords > 0 ? [`${number(rejectedRecords)} rejected`] : []),
    ...(excludedRecords > 0 ? [`${number(excludedRecords)} left out`] : []),
  ];
  const lines: (readonly [string, string])[] = [
    ['records', [`${number(records)}, from ${iso(span.from)} to ${iso(span.to)}`, ...rest].join('; ')],
    [
      'windows',
      `${number(windows.fit)} to fit, ${number(windows.validation)} to validate, ${number(windows.calibration)} to calibrate`,
    ],
    ...(epochs > 0
      ? [
          [
            'training',
            `${count(epochs, 'epoch')}, the best is ${bestEpoch}: loss ${validationLoss.toPrecision(4)} nats a window`,
          ] as const,
        ]
      : []),
    ['report', join(settings.daemon.store.path, detector, 'versions', version, 'report.json')],
  ];
  return [
    `${detector}: version ${version}`,
    ...lines.map(([name, text]) => `  ${name.padEnd(9)} ${text}`),
    '',
  ].join('\n');
}
