/** Counters in a history: finds the channels that are counters, and computes their rates. */
import { createCounterTest, toRates, type SignalKind } from '../domain/counter';
import { withValues, type Dataset } from './dataset';

/**
 * The channels to score by their rate: those configured as counters, and those whose history shows that they are.
 * @param kindOf the configured kind of a channel
 */
export function findCounters(
  dataset: Dataset,
  channels: readonly string[],
  kindOf: (channel: string) => SignalKind,
): string[] {
  const middle = medianOf(dataset.timestamps);
  return channels.filter((name, channel) => {
    const kind = kindOf(name);
    return kind === 'counter' || (kind === 'auto' && isCounter(dataset, channel, middle));
  });
}

/** The dataset with the rates of the counters instead of their values. */
export function withRates(
  dataset: Dataset,
  channels: readonly string[],
  counters: readonly string[],
): Dataset {
  if (counters.length === 0) return dataset;
  const values = dataset.values.slice();
  const { timestamps, starts } = dataset;
  const which = { counters: counters.map((name) => channels.indexOf(name)), channels: channels.length };
  const unknown = new Float64Array(channels.length).fill(NaN);
  starts.forEach((from, i) => {
    const to = starts[i + 1] ?? timestamps.length;
    toRates({ values, timestamps }, which, from, to - from, unknown, unknown);
  });
  return withValues(dataset, values);
}

function isCounter({ values, timestamps, starts, shape }: Dataset, channel: number, middle: number): boolean {
  const test = createCounterTest();
  starts.forEach((from, i) => {
    let previous = NaN;
    for (let row = from; row < (starts[i + 1] ?? timestamps.length); row++) {
      const value = values[row * shape.channels + channel]!;
      if (Number.isNaN(value)) continue;
      if (!Number.isNaN(previous)) test.add(previous, value, timestamps[row]! < middle ? 0 : 1);
      previous = value;
    }
  });
  return test.passes();
}

function medianOf(values: Float64Array): number {
  return values.slice().sort()[values.length >> 1]!;
}
