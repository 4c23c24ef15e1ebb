/**
 * Detects that a detector receives records but scores none: all are rejected, have no values, or wait for a window that never
 * fills.
 */
import type { Outcome } from '../pipeline/outcome';
import { exampleOf, Refusals } from '../pipeline/refusals';

export type WrittenOutcome = Pick<Outcome, 'counts' | 'deadLetters'>;

/** Number of windows per device that may pass without a scored record. */
const toleratedWindows = 3;

/** Least number of records without a scored one that counts as a problem. */
const fewestRecords = 30;

export type ScoreWatch = ReturnType<typeof createScoreWatch>;

/**
 * @param windowLength records per window
 * @param keys number of devices that have a window
 * @param now Unix ms
 */
export function createScoreWatch(windowLength: number, keys: () => number, now: () => number) {
  const refusals = new Refusals();
  /** Records since the last scored one, by outcome. */
  let counts = noRecords();
  let since = now();

  return {
    observe({ counts: batch, deadLetters }: WrittenOutcome): void {
      if (batch.scored > batch.withoutValues) {
        counts = noRecords();
        refusals.clear();
        since = now();
        return;
      }
      counts.received += batch.consumed - batch.warmUps;
      counts.ignored += batch.ignored.duplicate + batch.ignored.out_of_order;
      counts.noRoom += batch.noRoom;
      counts.notFull += batch.windowNotFull - batch.noRoom;
      counts.withoutValues += batch.withoutValues;
      counts.expired += batch.windowsCut.expired;
      counts.broken += batch.windowsCut.broken;
      counts.evicted += batch.windowsEvicted;
      for (const { reason, message, origin } of deadLetters) refusals.add(reason, exampleOf(message, origin));
    },
    /** Reason why the detector scores nothing; undefined while it scores, or while it has received few records. */
    problem(): string | undefined {
      const limit = Math.max(fewestRecords, toleratedWindows * windowLength * keys());
      if (counts.received <= limit) return undefined;
      const { noRoom, notFull, withoutValues, ignored, expired, broken, evicted } = counts;
      const parts = [
        ...(refusals.total > 0 ? [`rejected: ${refusals.describe().join(', ')}`] : []),
        ...(withoutValues > 0
          ? [`${withoutValues} without the value of any channel (see record.channels, fields.values)`]
          : []),
        ...(noRoom > 0 ? [`${noRoom} of devices that wait for a window (see window.maxKeys)`] : []),
        ...(ignored > 0 ? [`${ignored} ignored as duplicates or out of order`] : []),
        ...(notFull > 0 ? [`${notFull} in windows that are not full`] : []),
        ...(expired > 0 ? [`${expired} windows cut by silences above window.ttl`] : []),
        ...(broken > 0 ? [`${broken} windows cut by gaps (see window.interval, window.gaps)`] : []),
        ...(evicted > 0 ? [`${evicted} windows dropped for other devices (see window.maxKeys)`] : []),
      ];
      const time = new Date(since).toISOString();
      return `no record is scored: ${counts.received} received since ${time}; ${parts.join('; ')}`;
    },
  };
}

const noRecords = () => ({
  received: 0,
  ignored: 0,
  noRoom: 0,
  notFull: 0,
  withoutValues: 0,
  expired: 0,
  broken: 0,
  evicted: 0,
});
