/**
 * The statistic `stuck`: the run of equal values at the end of a window. A sensor that repeats its last value fits any model
 * well, because each value is normal and only the repetition is not.
 */
import type { Values } from '../domain/record';
import type { WindowBatch, WindowShape } from '../domain/window';

/** How likely a record repeats the value of the record before it, in one channel. */
export interface Repetition {
  /** For frequent values: a counter that stays at 0 for minutes is not stuck. At most `maxValues`. */
  byValue: readonly { value: number; probability: number }[];
  /** For every other value, if the record before did not repeat its predecessor. */
  first: number;
  /** The same if it did: a slow quantity changes seldom, or, once it moves, with every record. */
  next: number;
}

/** Rarer values share the probabilities `first` and `next`. */
const minOccurrences = 10;
const maxValues = 64;

/**
 * @param values shape [rows, channels]
 * @param ends rows whose two predecessors of the same key are the two rows before
 * @returns one for each channel
 */
export function fitRepeats(values: Values, channels: number, ends: Int32Array): Repetition[] {
  return Array.from({ length: channels }, (_, channel) =>
    fitChannel((row) => values[row * channels + channel]!, ends),
  );
}

/** Number of records, and how many of them repeated their predecessor. */
interface Tally {
  records: number;
  repeats: number;
}

/** A channel with a larger share of repetitions is never stuck: a value that stays for hours may stay for days. */
const maxRepeatShare = 0.05;
/** Fewer records are too few for a share. */
const minRecords = 100;
const neverUnlikely: Repetition = { byValue: [], first: 1, next: 1 };

function fitChannel(at: (row: number) => number, ends: Int32Array): Repetition {
  const repeated = ends.reduce((sum, row) => sum + (at(row) === at(row - 1) ? 1 : 0), 0);
  if (ends.length >= minRecords && repeated > maxRepeatShare * ends.length) return neverUnlikely;
  const occurrences = new Map<number, number>();
  for (const row of ends) occurrences.set(at(row - 1), (occurrences.get(at(row - 1)) ?? 0) + 1);
  const common = new Map<number, Tally>(
    [...occurrences]
      .filter(([value, times]) => times >= minOccurrences && !Number.isNaN(value))
      .sort(([, a], [, b]) => b - a)
      .slice(0, maxValues)
      .map(([value]) => [value, { records: 0, repeats: 0 }]),
  );
  const first: Tally = { records: 0, repeats: 0 };
  const next: Tally = { records: 0, repeats: 0 };
  for (const row of ends) {
    const before = at(row - 1);
    if (Number.isNaN(before)) continue;
    const tally = common.get(before) ?? (before === at(row - 2) ? next : first);
    tally.records++;
    if (at(row) === before) tally.repeats++;
  }
  // A channel without values.
  if (common.size === 0 && first.records + next.records === 0) return neverUnlikely;
  const ofFirst = succession(first);
  return {
    byValue: [...common].map(([value, tally]) => ({ value, probability: succession(tally) })),
    first: ofFirst,
    // Without any run, as likely as its beginning.
    next: (next.repeats + ofFirst) / (next.records + 1),
  };
}

/** Laplace's rule of succession: an event that has not occurred in n records has a probability above 0. */
function succession({ records, repeats }: Tally): number {
  return (repeats + 1) / (records + 2);
}

export interface StuckStatistic {
  /** −log of the probability of the least likely run, in nats; 0 without repetitions. Shape [batch.count]. */
  assess(batch: WindowBatch): Float64Array;
  /** For each channel of one window, how many times in a row it has repeated its value, and −log of the probability of that. */
  explain(batch: WindowBatch, window: number): { repeats: number; nats: number }[];
}

export function createStuckStatistic(
  { length, channels }: WindowShape,
  state: readonly Repetition[],
): StuckStatistic {
  const natsByValue = state.map(
    ({ byValue }) => new Map(byValue.map(({ value, probability }) => [value, -Math.log(probability)])),
  );

  /** −log of the probability of the run at the end of a window. */
  function natsOf(repeats: number, batch: WindowBatch, window: number, channel: number): number {
    if (repeats === 0) return 0;
    const value = batch.values[(window * length + length - 1) * channels + channel]!;
    const common = natsByValue[channel]!.get(value);
    if (common !== undefined) return repeats * common;
    const { first, next } = state[channel]!;
    return -Math.log(first) - (repeats - 1) * Math.log(next);
  }

  /** A missing value is no repetition, because NaN equals nothing. */
  function countRepeats(values: Values, window: number, channel: number): number {
    const newest = (window * length + length - 1) * channels + channel;
    let repeats = 0;
    while (
      repeats < length - 1 &&
      values[newest - repeats * channels] === values[newest - (repeats + 1) * channels]
    ) {
      repeats++;
    }
    return repeats;
  }

  return {
    assess(batch) {
      const statistic = new Float64Array(batch.count);
      for (let window = 0; window < batch.count; window++) {
        for (let channel = 0; channel < channels; channel++) {
          const nats = natsOf(countRepeats(batch.values, window, channel), batch, window, channel);
          if (nats > statistic[window]!) statistic[window] = nats;
        }
      }
      return statistic;
    },
    explain: (batch, window) =>
      state.map((_, channel) => {
        const repeats = countRepeats(batch.values, window, channel);
        return { repeats, nats: natsOf(repeats, batch, window, channel) };
      }),
  };
}
