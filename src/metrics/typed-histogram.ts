/** A Prometheus histogram that observes whole arrays: `observe` of prom-client with labels takes 0.5 µs per value. */
import type { Histogram, Registry } from 'prom-client';

/**
 * Observes the first `count` values. NaN counts in the +Inf bucket and is not added to the sum; for infinity, 324 is added
 * (−log10 of the smallest positive double), because a sum cannot recover from either.
 */
type Observe = (values: Float64Array, count: number) => void;

interface Counts {
  labels: Readonly<Record<string, string>>;
  /** Counts by bucket, not cumulative; the last bucket is +Inf. */
  buckets: Float64Array;
  sum: number;
}

const largestSurprise = 324;

/**
 * Registers the histogram in a registry of prom-client, which calls `get` at each scrape. The returned function creates the
 * series of labels, with zeros.
 * @param options `buckets`: ascending upper bounds, without +Inf
 */
export function createTypedHistogram(
  registry: Registry,
  options: { name: string; help: string; labelNames: readonly string[]; buckets: readonly number[] },
): (labels: Counts['labels']) => Observe {
  const { name, help, labelNames } = options;
  const bounds = Float64Array.from(options.buckets);
  if (bounds.some((bound, i) => !(bound > (bounds[i - 1] ?? -Infinity)))) {
    throw new RangeError(`${name}: buckets must be in ascending order (got ${options.buckets.join(', ')})`);
  }
  let all: Counts[] = [];

  const description = { name, help, type: 'histogram', aggregator: 'sum' };
  const metric = {
    ...description,
    labelNames,
    get: () => Promise.resolve({ ...description, values: all.flatMap(expose) }),
    reset: () => void (all = []),
  };
  // prom-client's types require its own classes; a registry only uses the properties above.
  registry.registerMetric(metric as unknown as Histogram);

  function expose({ labels, buckets, sum }: Counts) {
    let count = 0;
    const cumulative = Array.from(buckets, (inBucket, i) => ({
      metricName: `${name}_bucket`,
      labels: { le: bounds[i] ?? '+Inf', ...labels },
      value: (count += inBucket),
    }));
    return [
      ...cumulative,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }

  return (labels) => {
    const counts: Counts = { labels, buckets: new Float64Array(bounds.length + 1), sum: 0 };
    all.push(counts);
    return (values, count) => {
      const { buckets } = counts;
      for (let i = 0; i < count; i++) {
        const value = values[i]!;
        let bucket = 0;
        while (bucket < bounds.length && !(value <= bounds[bucket]!)) bucket++;
        buckets[bucket]!++;
        if (!Number.isNaN(value)) counts.sum += Math.min(value, largestSurprise);
      }
    };
  };
}
