/** A replay as text for a person. */
import { sourceOf, type DetectorSettings } from '../config/settings';
import type { AlarmCount, ReplayReport } from '../offline/replay';

const alarmsOf = ({ alarms, events, records }: AlarmCount): string =>
  `${alarms} anomalous of ${records} records, ${events} events`;

const textOf = (value: unknown): string => (value === undefined ? 'nothing' : JSON.stringify(value));

export function formatReplay(settings: DetectorSettings, report: ReplayReport): string {
  const { detector, training } = settings;
  const { kafka } = sourceOf(settings, 'kafka');
  const { versions, unusable, differences, whatIf } = report;
  const line = (name: string, count: number, note = ''): string =>
    `  ${name.padEnd(18)}${String(count).padStart(9)}${note === '' ? '' : `   ${note}`}`;
  const verdicts = Object.values(versions).reduce((sum, count) => sum + count, 0);
  return [
    `detector ${detector}, ${report.records} records of ${kafka.topic}, scored by ${report.engine}`,
    '',
    line('verdicts', verdicts),
    ...Object.entries(versions).map(([version, count]) => `    ${version}  ${count}`),
    line('identical', report.identical, 'to the last bit'),
    line(
      'different',
      report.different,
      report.different > 0 ? `surprise by ${report.largestDifference.toPrecision(3)} at most` : '',
    ),
    line('without version', report.withoutVersion),
    ...Object.values(unusable).map((reason) => `    ${reason}`),
    ...(report.withoutVersion > 0
      ? [`    how long versions are kept: training.keepVersions (${training.keepVersions}), training.keepFor`]
      : []),
    line('incomplete', report.incomplete, report.incomplete > 0 ? 'windows lack records: --lead more' : ''),
    line('nothing said', report.quiet, 'as now'),
    line('not said then', report.unrecorded, report.unrecorded > 0 ? 'and would be now' : ''),
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
            ([version, threshold]) => `  ${version}: surprise of ${threshold.toFixed(2)} and more`,
          ),
        ]),
    '',
  ].join('\n');
}
