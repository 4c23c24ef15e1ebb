/**
 * Building blocks of the metrics. Each declares metrics in a registry, and returns the methods by which a detector records
 * them.
 */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { createListedGauge, type ListedSample } from './listed-gauge';
import { createTypedHistogram } from './typed-histogram';

/** Label values that come from the configuration of a detector. */
export interface LabelBounds {
  /** Kafka topics, or the path of the file, that the source reads. */
  topics: readonly string[];
  /** Names of the sinks. */
  sinks: readonly string[];
  /** Names of the sinks that send events to people. */
  notifiers?: readonly string[];
}

/** The detector whose metrics are recorded. */
export interface DetectorScope extends LabelBounds {
  detector: string;
  /** Unix ms. */
  now: () => number;
  /** Registers a function that is called before each scrape, for values that change without being recorded. */
  onScrape: (update: () => void) => void;
}

export interface LabelDescription {
  name: string;
  /** One sentence on the label, or the list of its values, for docs/metrics.md. */
  meaning: string;
}

export interface MetricDescription {
  name: string;
  type: 'counter' | 'gauge' | 'histogram';
  help: string;
  labels: readonly LabelDescription[];
}

/** A label besides `detector`. All its values are known in advance: they bound the number of series. */
export interface Label<Value extends string> extends LabelDescription {
  values: (scope: LabelBounds) => readonly Value[];
}

/** Where metrics are declared: the registry that is scraped, and the descriptions for the documentation. */
export interface Declarations {
  registry: Registry;
  descriptions: MetricDescription[];
}

/** Declares metrics once per registry. The returned function starts the series of one detector. */
export type Recorder<Recording> = (declarations: Declarations) => (scope: DetectorScope) => Recording;

/** The methods that record these metrics for one detector. */
export type Recordings<Recorders> = {
  [Name in keyof Recorders]: Recorders[Name] extends Recorder<infer Recording> ? Recording : never;
};

const detectorLabel: LabelDescription = {
  name: 'detector',
  meaning: 'Name of the detector in the configuration.',
};

/** A label whose values are a fixed list. */
export function fixedLabel<Value extends string>(name: string, values: readonly Value[]): Label<Value> {
  return { name, meaning: values.map((value) => `\`${value}\``).join(', '), values: () => values };
}

/** Adds the description and returns the options of prom-client's constructor. */
export function declare(declarations: Declarations, description: MetricDescription) {
  const { name, help, labels } = description;
  declarations.descriptions.push(description);
  return { name, help, labelNames: labels.map((label) => label.name), registers: [declarations.registry] };
}

/** Declares a metric of detectors; its first label is the name of the detector. */
function declareFor(
  declarations: Declarations,
  type: MetricDescription['type'],
  name: string,
  help: string,
  ...labels: LabelDescription[]
) {
  return declare(declarations, { name, type, help, labels: [detectorLabel, ...labels] });
}

/** A counter that starts at 0, so that `increase()` sees its first step. */
export function counter(name: string, help: string): Recorder<(amount?: number) => void> {
  return (declarations) => {
    const metric = new Counter(declareFor(declarations, 'counter', name, help));
    return ({ detector }) => {
      const series = { detector };
      metric.inc(series, 0);
      return (amount = 1) => metric.inc(series, amount);
    };
  };
}

/** A counter for each value of a label; all of them start at 0. */
export function counterBy<Value extends string>(
  name: string,
  help: string,
  label: Label<Value>,
): Recorder<(value: Value, amount?: number) => void> {
  return (declarations) => {
    const metric = new Counter<string>(declareFor(declarations, 'counter', name, help, label));
    return (scope) => {
      const { detector } = scope;
      const add = (value: Value, amount = 1) => metric.inc({ detector, [label.name]: value }, amount);
      for (const value of label.values(scope)) add(value, 0);
      return add;
    };
  };
}

/** A gauge without a series until its first value, unless it has an initial one. */
export function gauge(name: string, help: string, initial?: number): Recorder<(value: number) => void> {
  return (declarations) => {
    const metric = new Gauge(declareFor(declarations, 'gauge', name, help));
    return ({ detector }) => {
      const series = { detector };
      if (initial !== undefined) metric.set(series, initial);
      return (value) => metric.set(series, value);
    };
  };
}

/** A gauge for each value of a label; undefined removes its series. */
export function gaugeBy(
  name: string,
  help: string,
  label: LabelDescription,
): Recorder<(value: string, amount: number | undefined) => void> {
  return (declarations) => {
    const metric = new Gauge<string>(declareFor(declarations, 'gauge', name, help, label));
    return ({ detector }) =>
      (value, amount) => {
        const series = { detector, [label.name]: value };
        if (amount === undefined) metric.remove(series);
        else metric.set(series, amount);
      };
  };
}

/** A gauge whose series are replaced by each list of samples. The caller bounds their number. */
export function listedGauge(
  name: string,
  help: string,
  labels: readonly LabelDescription[],
): Recorder<(samples: readonly ListedSample[]) => void> {
  return (declarations) => {
    const { registers, ...options } = declareFor(declarations, 'gauge', name, help, ...labels);
    return createListedGauge(registers[0]!, options);
  };
}

/** A gauge of 0 or 1 that starts at 0. */
export function flag(name: string, help: string): Recorder<(on: boolean) => void> {
  return combined(
    { set: gauge(name, help, 0) },
    ({ set }) =>
      (on) =>
        set(on ? 1 : 0),
  );
}

/** A histogram of single values, in seconds. */
export function histogram(
  name: string,
  help: string,
  buckets: readonly number[],
): Recorder<(seconds: number) => void> {
  return (declarations) => {
    const options = declareFor(declarations, 'histogram', name, help);
    const metric = new Histogram({ ...options, buckets: [...buckets] });
    return ({ detector }) => {
      const series = { detector };
      metric.zero(series);
      return (seconds) => metric.observe(series, seconds);
    };
  };
}

/** A histogram of single values, in seconds, for each value of a label. */
export function histogramBy<Value extends string>(
  name: string,
  help: string,
  buckets: readonly number[],
  label: Label<Value>,
): Recorder<(value: Value, seconds: number) => void> {
  return (declarations) => {
    const options = declareFor(declarations, 'histogram', name, help, label);
    const metric = new Histogram<string>({ ...options, buckets: [...buckets] });
    return (scope) => {
      const { detector } = scope;
      for (const value of label.values(scope)) metric.zero({ detector, [label.name]: value });
      return (value, seconds) => metric.observe({ detector, [label.name]: value }, seconds);
    };
  };
}

/** A histogram that observes whole arrays. */
export function arrayHistogram(
  name: string,
  help: string,
  buckets: readonly number[],
): Recorder<(values: Float64Array, count: number) => void> {
  return (declarations) => {
    const options = declareFor(declarations, 'histogram', name, help);
    const startSeries = createTypedHistogram(declarations.registry, { ...options, buckets });
    return ({ detector }) => startSeries({ detector });
  };
}

/** Several metrics that are recorded together. */
export function combined<Recorders extends Record<string, Recorder<unknown>>, Recording>(
  recorders: Recorders,
  record: (recordings: Recordings<Recorders>, scope: DetectorScope) => Recording,
): Recorder<Recording> {
  return (declarations) => {
    const declared = Object.entries(recorders).map(
      ([key, recorder]) => [key, recorder(declarations)] as const,
    );
    return (scope) => {
      const recordings = Object.fromEntries(declared.map(([key, start]) => [key, start(scope)]));
      return record(recordings as Recordings<Recorders>, scope);
    };
  };
}
