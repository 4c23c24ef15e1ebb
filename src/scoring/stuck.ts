/**
 * A sensor that repeats its last value fits any model well: what it says is normal, only that it says it again is not.
 * So the run of equal values at the end of a window is a statistic of its own.
 */
import type { WindowBatch, WindowShape } from '../domain/window';

/** What is learned: by channel, the probability that a record repeats the value of the one before. */
export type RepeatState = readonly number[];

/**
 * @param pairs rows of `values` [rows, channels] whose predecessor is the row before, of the same key
 */
export function fitRepeats(values: Float64Array, channels: number, pairs: Int32Array): RepeatState {
  return Array.from({ length: channels }, (_, channel) => {
    let repeats = 0;
    for (const row of pairs) {
      if (values[row * channels + channel] === values[(row - 1) * channels + channel]) repeats++;
    }
    // Laplace's rule of succession: what never happened in n pairs may still happen.
    return (repeats + 1) / (pairs.length + 2);
  });
}

export interface StuckStatistic {
  /** −log of the probability of the least likely run, in nats; 0 where nothing repeats. Shape [batch.count]. */
  assess(batch: WindowBatch): Float64Array;
  /** How many times in a row each channel of one window has repeated its value, and how unlikely that is in nats. */
  explain(batch: WindowBatch, window: number): { repeats: number; nats: number }[];
}

export function createStuckStatistic({ length, channels }: WindowShape, state: RepeatState): StuckStatistic {
  const natsPerRepeat = Float64Array.from(state, (probability) => -Math.log(probability));

  /** Missing values are no repetition: NaN equals nothing. */
  function countRepeats(values: Float64Array, window: number, channel: number): number {
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
          const nats = countRepeats(batch.values, window, channel) * natsPerRepeat[channel]!;
          if (nats > statistic[window]!) statistic[window] = nats;
        }
      }
      return statistic;
    },
    explain: (batch, window) =>
      Array.from(natsPerRepeat, (nats, channel) => {
        const repeats = countRepeats(batch.values, window, channel);
        return { repeats, nats: repeats * nats };
      }),
  };
}
