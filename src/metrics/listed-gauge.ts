/** A Prometheus gauge whose series are replaced at once: prom-client takes 10 µs to remove and set each of them. */
import type { Gauge, Registry } from 'prom-client';

export interface ListedSample {
  /** All labels. One object for several metrics is formatted once per scrape. */
  labels: Readonly<Record<string, string>>;
  value: number;
}

/** Registers the gauge in a registry of prom-client, which calls `get` at each scrape. Each call of `start` has samples of its own. */
export function createListedGauge(
  registry: Registry,
  { name, help, labelNames }: { name: string; help: string; labelNames: readonly string[] },
): () => (samples: readonly ListedSample[]) => void {
  let all: { samples: readonly ListedSample[] }[] = [];
  const description = { name, help, type: 'gauge', aggregator: 'sum' };
  const metric = {
    ...description,
    labelNames,
    get: () =>
      Promise.resolve({
        ...description,
        values: all.flatMap(({ samples }) =>
          samples.map(({ labels, value }) => ({ sharedLabels: labels, value })),
        ),
      }),
    reset: () => void (all = []),
  };
  // prom-client's types require its own classes; a registry only uses the properties above.
  registry.registerMetric(metric as unknown as Gauge);
  return () => {
    const own: (typeof all)[number] = { samples: [] };
    all.push(own);
    return (samples) => void (own.samples = samples);
  };
}
