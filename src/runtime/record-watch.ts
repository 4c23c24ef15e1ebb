/** Follows the outcome of received records: their rate, whether any is scored, and reports on those that are not. */
import type { DetectorSettings } from '../config/settings';
import type { Logger } from '../logger';
import type { DetectorMetrics } from '../metrics/metrics';
import type { Outcome } from '../pipeline/outcome';
import type { PartitionStates } from '../state/partitions';
import { createRecordRate } from './record-rate';
import { createRecordReports } from './record-reports';
import { createScoreWatch } from './score-watch';

export type RecordWatch = ReturnType<typeof createRecordWatch>;

/** @param length records per window */
export function createRecordWatch(
  { window: { maxKeys } }: Pick<DetectorSettings, 'window'>,
  length: number,
  states: Pick<PartitionStates, 'devices'>,
  metrics: Pick<DetectorMetrics, 'openEvents' | 'scoresNothing'>,
  log: Logger,
) {
  const scoreWatch = createScoreWatch(length, () => states.devices, Date.now);
  const reports = createRecordReports({ maxKeys, scoreWatch, log, now: Date.now });
  const rate = createRecordRate(() => performance.now());
  return {
    /** Call with each outcome that all sinks have accepted. */
    observe(outcome: Outcome): void {
      rate.add(outcome.counts.consumed - outcome.counts.warmUps);
      scoreWatch.observe(outcome);
      reports.observe(outcome);
      metrics.openEvents.ended(outcome.events);
      metrics.scoresNothing(scoreWatch.problem() !== undefined);
    },
    /** Reason why the detector scores none of the records that it receives, if so. */
    problem: () => scoreWatch.problem(),
    perSecond: () => rate.perSecond(),
    /** Reports the records since the last report. */
    flush: () => reports.flush(),
  };
}
