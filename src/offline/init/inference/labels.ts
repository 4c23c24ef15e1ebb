/** Decides which labels of series contain the device, the channel and conditions. */
import { nameRank } from './device';
import { UnusableSampleError } from './unusable';

export interface LabelledSeries {
  labels: Readonly<Record<string, string>>;
  /** Times at which the series has a value. */
  times: readonly number[];
}

export interface LabelledQuery {
  name: string;
  /** Series of the query; at least one. */
  series: readonly LabelledSeries[];
}

export interface LabelRoles {
  /** Empty if all series are of one device. */
  keyLabels: readonly string[];
  /** Empty if each query is a channel. */
  channelLabel: string;
  /** Labels that change within a device. */
  conditions: readonly string[];
  /** Notes about choices to check; empty = the choice is clear. */
  doubts: readonly string[];
  /** Other labels that every series has. */
  candidates: readonly string[];
}

/** Roles of labels that a person has chosen. */
export interface ChosenLabels {
  keyLabels?: readonly string[] | undefined;
  channelLabel?: string | undefined;
}

/** A label with more values identifies devices rather than channels. */
const maxChannels = 32;
/** Smallest share of the devices that must have each value of a label of channels. */
const minDevices = 0.9;
const nameLabel = '__name__';

/** @throws UnusableSampleError if no labels leave one series per query and device */
export function assignLabels(queries: readonly LabelledQuery[], chosen: ChosenLabels = {}): LabelRoles {
  const shared = sharedLabels(queries);
  const doubts: string[] = [];
  const keyLabels = [...(chosen.keyLabels ?? firstKey(queries, shared))];
  let channelLabel = chosen.channelLabel ?? '';
  for (;;) {
    const clash = findClash(queries, keyLabels, channelLabel);
    if (clash === undefined) break;
    const { query, labels } = clash;
    if (labels.includes('le'))
      throw new UnusableSampleError(
        `query "${query.name}" returns the buckets of a histogram: apply histogram_quantile to it`,
      );
    if (labels.includes(nameLabel) && queries.length > 1)
      throw new UnusableSampleError(`query "${query.name}" returns several metrics: give each a query`);
    const split = labels.includes(nameLabel) ? nameLabel : best(labels);
    if (split === undefined || chosen.keyLabels !== undefined)
      throw new UnusableSampleError(
        `query "${query.name}" returns several series for one device${labelText(labels)}: aggregate them, such as sum by (${keyLabels.join(', ') || 'instance'}) (…)`,
      );
    if (
      channelLabel === '' &&
      chosen.channelLabel === undefined &&
      namesChannels(split, query, queries, keyLabels)
    ) {
      channelLabel = split;
      if (split !== nameLabel)
        doubts.push(
          `the label "${split}" names a channel, as each device has the same values of it: aggregate where it does not`,
        );
    } else if (shared.includes(split)) {
      keyLabels.push(split);
      doubts.push(`"${split}" is part of the device: aggregate where it is not`);
    } else
      throw new UnusableSampleError(
        `query "${query.name}" returns several series for one device, by the label "${split}", which other queries lack: aggregate them, such as sum by (${keyLabels.join(', ') || 'instance'}) (…)`,
      );
  }
  return {
    keyLabels,
    channelLabel,
    conditions: shared.filter(
      (label) =>
        !keyLabels.includes(label) &&
        ![channelLabel, nameLabel].includes(label) &&
        changesWithin(label, queries, keyLabels),
    ),
    doubts,
    candidates: shared.filter((label) => label !== nameLabel && !keyLabels.includes(label)),
  };
}

const labelText = (labels: readonly string[]): string =>
  labels.length === 0 ? '' : `, by the label ${labels.map((label) => `"${label}"`).join(' or ')}`;

const rankOf = (label: string): number => (label === 'instance' ? 3 : nameRank([label]));

/** The label whose name is most clearly that of a device. */
const best = (labels: readonly string[]): string | undefined =>
  [...labels].sort((a, b) => rankOf(b) - rankOf(a))[0];

/** Labels that every series of every query has. */
function sharedLabels(queries: readonly LabelledQuery[]): string[] {
  const all = queries.flatMap(({ series }) => series);
  return Object.keys(all[0]?.labels ?? {}).filter((label) =>
    all.every(({ labels }) => (labels[label] ?? '') !== ''),
  );
}

/** A label with several values and the name of a device; without one, such a label with one value. */
function firstKey(queries: readonly LabelledQuery[], shared: readonly string[]): string[] {
  const called = shared.filter((label) => rankOf(label) > 0).sort((a, b) => rankOf(b) - rankOf(a));
  const differing = called.find((label) => queries.some(({ series }) => distinct(series, label) > 1));
  const first = differing ?? called[0];
  if (first !== undefined) return [first];
  // If no label has the name of a device, the one with the most values is chosen.
  const [most] = shared
    .filter((label) => label !== nameLabel)
    .map((label) => ({ label, values: Math.max(...queries.map(({ series }) => distinct(series, label))) }))
    .filter(({ values }) => values > 1)
    .sort((a, b) => b.values - a.values);
  return most === undefined ? [] : [most.label];
}

const distinct = (series: readonly LabelledSeries[], label: string): number =>
  new Set(series.map(({ labels }) => labels[label])).size;

/** Finds a query with two series for the same device, channel and time, and the labels in which they differ. */
function findClash(
  queries: readonly LabelledQuery[],
  keyLabels: readonly string[],
  channelLabel: string,
): { query: LabelledQuery; labels: string[] } | undefined {
  const parts = channelLabel === '' ? keyLabels : [...keyLabels, channelLabel];
  for (const query of queries) {
    const seen = new Map<string, LabelledSeries['labels']>();
    for (const { labels, times } of query.series)
      for (const time of times) {
        const id = `${time}\0${identity(labels, parts)}`;
        const other = seen.get(id);
        if (other !== undefined) {
          const names = new Set([...Object.keys(labels), ...Object.keys(other)]);
          return { query, labels: [...names].filter((label) => labels[label] !== other[label]) };
        }
        seen.set(id, labels);
      }
  }
  return undefined;
}

const identity = (labels: LabelledSeries['labels'], parts: readonly string[]): string =>
  parts.map((label) => labels[label] ?? '').join('\0');

/** Whether a label contains channels: it belongs to one query, and nearly all devices have all of its few values. */
function namesChannels(
  label: string,
  query: LabelledQuery,
  queries: readonly LabelledQuery[],
  keyLabels: readonly string[],
): boolean {
  if (label === nameLabel) return true;
  const users = queries.filter(({ series }) => series.some(({ labels }) => labels[label] !== undefined));
  if (users.length > 1) return false;
  const values = new Map<string, Set<string>>();
  const devices = new Set<string>();
  for (const { labels } of query.series) {
    const device = identity(labels, keyLabels);
    devices.add(device);
    const value = labels[label] ?? '';
    values.set(value, (values.get(value) ?? new Set()).add(device));
  }
  // Numbers count parts, such as cores, and a label with the name of a device contains devices.
  const isNamed = [...values.keys()].every((value) => value !== '' && Number.isNaN(Number(value)));
  const isCommon = [...values.values()].every(({ size }) => size >= minDevices * devices.size);
  return isNamed && isCommon && rankOf(label) === 0 && values.size <= maxChannels;
}

function changesWithin(
  label: string,
  queries: readonly LabelledQuery[],
  keyLabels: readonly string[],
): boolean {
  const first = new Map<string, string | undefined>();
  return queries.some(({ series }) =>
    series.some(({ labels }) => {
      const device = identity(labels, keyLabels);
      if (!first.has(device)) first.set(device, labels[label]);
      return first.get(device) !== labels[label];
    }),
  );
}
