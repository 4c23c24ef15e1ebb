/**
 * Counters: channels that only grow except for resets, such as bytes sent or hours of operation. They have no normal level, so
 * they are scored by their rate: the growth per second since the previous value.
 */
import type { Values } from './record';

/** How the values of a channel are scored; `auto`: as a counter if the history shows that the channel is one. */
export const signalKinds = ['auto', 'level', 'counter'] as const;
export type SignalKind = (typeof signalKinds)[number];

/** A reset loses at least half of the count. A smaller drop is a negative rate. */
function isReset(value: number, previous: number): boolean {
  return value >= 0 && value < previous / 2;
}

/** Growth per second; after a reset the counter has grown from 0. */
function rateOf(value: number, previous: number, elapsedMs: number): number {
  return (isReset(value, previous) ? value : value - previous) / (elapsedMs / 1000);
}

/**
 * Replaces the values of counters in consecutive records of a key by their rates. The rate of the first value is missing unless
 * an earlier value is known.
 * @param counters indices of channels
 * @param first row of the oldest record
 * @param before last value of each channel before the first row; NaN = unknown. Shape [channels]
 * @param beforeAt event times of these values, Unix ms. Shape [channels]
 */
export function toRates(
  { values, timestamps }: { values: Values; timestamps: Float64Array },
  { counters, channels }: { counters: readonly number[]; channels: number },
  first: number,
  count: number,
  before: Float64Array,
  beforeAt: Float64Array,
): void {
  for (const channel of counters) {
    let previous = before[channel]!;
    let previousAt = beforeAt[channel]!;
    for (let row = first; row < first + count; row++) {
      const value = values[row * channels + channel]!;
      if (Number.isNaN(value)) continue;
      values[row * channels + channel] = rateOf(value, previous, timestamps[row]! - previousAt);
      previous = value;
      previousAt = timestamps[row]!;
    }
  }
}

/** Fewest steps between values for a decision. */
const minSteps = 100;
/** Fewest steps up: a set point that changes can have fewer. */
const minGrowths = 20;
/** Least number of steps up for each reset: a rare pulse falls as often as it rises. */
const minGrowthsPerReset = 100;
/** Smallest share of the growth in each half of the history: a machine that warms up grows only at its beginning. */
const minHalfShare = 0.1;

/** Decides whether a channel is a counter, from the steps between successive values of each key in the history. */
export function createCounterTest() {
  let [steps, growths, resets, otherDrops] = [0, 0, 0, 0];
  const growth = [0, 0];
  return {
    /** @param half of the history, 0 or 1 */
    add(previous: number, value: number, half: number): void {
      steps++;
      if (value > previous) {
        growths++;
        growth[half]! += value - previous;
      } else if (value < previous) {
        if (isReset(value, previous)) resets++;
        else otherDrops++;
      }
    },
    /** Whether the channel is a counter: every drop is a reset, resets are rare, and it grows in both halves. */
    passes(): boolean {
      const total = growth[0]! + growth[1]!;
      return (
        steps >= minSteps &&
        growths >= minGrowths &&
        otherDrops === 0 &&
        growths >= minGrowthsPerReset * resets &&
        growth.every((part) => part >= minHalfShare * total)
      );
    },
  };
}
