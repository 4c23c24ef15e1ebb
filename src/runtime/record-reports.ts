/** Log lines about records that are not scored as expected: at most one of each kind per minute, with a sample. */
import type { Logger } from '../logger';
import { exampleOf, Refusals } from '../pipeline/refusals';
import type { ScoreWatch, WrittenOutcome } from './score-watch';

/** Shortest time between two reports, ms. */
const reportEveryMs = 60_000;

export interface RecordReportsOptions {
  maxKeys: number;
  scoreWatch: Pick<ScoreWatch, 'problem'>;
  log: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Unix ms. */
  now: () => number;
}

export function createRecordReports({ maxKeys, scoreWatch, log, now }: RecordReportsOptions) {
  const refusals = new Refusals();
  let counts = noRecords();
  let reportedAt = -Infinity;
  let isScoreWatch = true;
  /** Whether a log line has mentioned ignored records, which are expected where the settings ask for it. */
  let isIgnoringKnown = false;

  function report(): void {
    const { received, noRoom, evicted, undone, duplicate, outOfOrder } = counts;
    if (refusals.total > 0) {
      const reasons = refusals.describe();
      log.warn('records were rejected', { rejected: refusals.total, received, reasons });
    }
    if (duplicate + outOfOrder > 0 && !isIgnoringKnown) {
      isIgnoringKnown = true;
      log.info(
        'duplicate or late records are ignored, as configured; vaemon_records_ignored_total counts them',
        {
          duplicate,
          outOfOrder,
          received,
        },
      );
    }
    if (noRoom > 0) log.warn('more devices than window.maxKeys: some wait for a window', { noRoom, maxKeys });
    if (evicted > 0)
      log.warn('more devices than window.maxKeys: windows were dropped', { windows: evicted, maxKeys });
    if (undone > 0)
      log.warn(
        'records with times far ahead were dropped: later records of their devices have earlier times',
        {
          records: undone,
        },
      );
    refusals.clear();
    counts = noRecords();
  }

  function reportScoreWatch(): void {
    const reason = scoreWatch.problem();
    if ((reason === undefined) === isScoreWatch) return;
    isScoreWatch = reason === undefined;
    if (isScoreWatch) log.info('scoring has resumed');
    else log.error('detector receives records and scores none', { reason });
  }

  return {
    observe({ counts: batch, deadLetters }: WrittenOutcome): void {
      counts.received += batch.consumed - batch.warmUps;
      counts.noRoom += batch.noRoom;
      counts.evicted += batch.windowsEvicted;
      counts.undone += batch.jumpsUndone;
      counts.duplicate += batch.ignored.duplicate;
      counts.outOfOrder += batch.ignored.out_of_order;
      for (const { reason, message, origin } of deadLetters) refusals.add(reason, exampleOf(message, origin));
      reportScoreWatch();
      const at = now();
      // Reports continue if the clock was set back.
      if (at >= reportedAt && at - reportedAt < reportEveryMs) return;
      const { noRoom, evicted, undone, duplicate, outOfOrder } = counts;
      const ignored = isIgnoringKnown ? 0 : duplicate + outOfOrder;
      if (refusals.total + noRoom + evicted + undone + ignored > 0) reportedAt = at;
      report();
    },
    /** Reports the rest at the end of the records. */
    flush: report,
  };
}

const noRecords = () => ({ received: 0, noRoom: 0, evicted: 0, undone: 0, duplicate: 0, outOfOrder: 0 });
