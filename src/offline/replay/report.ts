/** Formats the report of a replay as text. */
import { sourceOf, type DetectorSettings } from '../../config/settings';
import type { AlarmCount } from './alarms';
import type { ReplayReport } from './replay';

const alarmsOf = ({ alarms, events, records }: AlarmCount): string =>
  `${alarms} anomalous of ${records} records, ${events} events`;

const textOf = (value: unknown): string => (value === undefined ? 'none' : JSON.stringify(value));

export function formatReplay(settings: DetectorSettings, report: ReplayReport): string {
  const { detector, training } = settings;
  const { kafka } = sourceOf(settings, 'kafka');
  const { versions, unusable, differences, largestDifference, whatIf } = report;
  const line = (name: string, count: number, note = ''): string =>
    `  ${name.padEnd(18)}${String(count).padStart(9)}${note === '' ? '' : `   ${note}`}`;
  const noted = (name: string, count: number, note: string): string =>
    line(name, count, count > 0 ? note : '');
  const detections = Object.values(versions).reduce((sum, count) => sum + count, 0);
  return [
    `detector ${detector}, ${report.records} records of ${kafka.topic}, scored by ${report.engine}`,
    '',
    line('detections', detections),
    ...Object.entries(versions).map(([version, count]) => `    ${version}  ${count}`),
    line('identical', report.identical, 'bit for bit'),
    noted('different', report.different, `surprise differs by at most ${largestDifference.toPrecision(3)}`),
    line('without version', report.withoutVersion),
    ...Object.values(unusable).map((reason) => `    ${reason}`),
    ...(report.withoutVersion > 0
      ? [`    versions are kept for: training.keepVersions (${training.keepVersions}), training.keepFor`]
      : []),
    noted(
      'incomplete',
      report.incomplete,
      'windows or baselines lack records: increase --lead, or begin earlier',
    ),
    noted('quiet', report.quiet, 'none recorded, none derived'),
    noted('unrecorded', report.unrecorded, 'derived, but not recorded'),
    ...(differences.length > 0 ? ['', 'first differences (partition/offset):'] : []),
    ...differences.map(
      ({ origin, field, recorded, derived }) =>
        `  ${origin} ${field}: ${textOf(recorded)} → ${textOf(derived)}`,
    ),
    '',
    `alarms: ${alarmsOf(report.alarms)}`,
    ...(whatIf === undefined
      ? []
      : [
          `what if: ${alarmsOf(whatIf)}`,
          ...Object.entries(whatIf.threshold).map(
            ([version, threshold]) => `  ${version}: surprise of at least ${threshold.toFixed(2)}`,
          ),
        ]),
    '',
  ].join('\n');
}
