/** What is remembered of a partition, as it is stored: names of categories for their codes, columns for what is long. */
import type { BaselinesSnapshot } from '../calibration/baseline';
import { unknownCategory, type CategoryTable } from '../domain/condition';
import type { EventPolicy, EventsSnapshot } from '../domain/event';
import type { WindowsSnapshot } from '../domain/window';
import type { Column, StoredState } from './store';

/** Where the levels of a model version begin, and what they have come to. */
export interface BaselinesStart {
  version: string;
  /** They take in the records behind this offset. */
  from: bigint;
  /** They began because those before them were lost. */
  anew: boolean;
  devices: BaselinesSnapshot;
}

export interface PartitionSnapshot {
  /** Of the last message that is in it. */
  offset: bigint;
  /** Records before it began have been scored, but not read. */
  lost: boolean;
  windows: WindowsSnapshot;
  /** Undefined where another policy made them. */
  events: EventsSnapshot | undefined;
  baselines: BaselinesStart | undefined;
}

export interface SnapshotFormat {
  encode(snapshot: PartitionSnapshot): StoredState;
  /** @throws Error when it is not what `encode` has made */
  decode(state: StoredState): PartitionSnapshot;
  /** Whether windows of these settings are in it. */
  isOfTheseSettings(state: StoredState): boolean;
}

export interface SnapshotRules {
  /** For each given condition, whether it is a category. */
  categories: readonly boolean[];
  table: CategoryTable;
  events: EventPolicy;
  /** Of the settings that windows rest on. */
  fingerprint: string;
}

/** What stands in the header of the file. */
interface Content {
  fingerprint: string;
  lost: boolean;
  keys: readonly string[];
  /** What the codes in the conditions stand for, from 1 on. */
  categories: readonly string[];
  knownFrom: number;
  eventPolicy: string;
  events: EventsSnapshot | undefined;
  baselines: { version: string; from: string; anew: boolean; keys: readonly string[] } | undefined;
}

export function createSnapshotFormat({
  categories,
  table,
  events: policy,
  fingerprint,
}: SnapshotRules): SnapshotFormat {
  const eventPolicy = JSON.stringify(policy);

  /** Codes of one process mean nothing to another one: they become places in a list of names, or the other way round. */
  function recode(conditions: Float64Array, codeOf: (code: number) => number): Float64Array {
    const width = categories.length;
    return conditions.map((value, i) => (categories[i % width] === true ? codeOf(value) : value));
  }

  return {
    encode({ offset, lost, windows, events, baselines }) {
      const names: string[] = [];
      const places = new Map<number, number>([[unknownCategory, unknownCategory]]);
      const conditions = recode(windows.conditions, (code) => {
        let place = places.get(code);
        if (place === undefined) {
          place = names.push(table.value(code) ?? '');
          places.set(code, place);
        }
        return place;
      });
      const content: Content = {
        fingerprint,
        lost,
        keys: windows.keys,
        categories: names,
        knownFrom: windows.knownFrom,
        eventPolicy,
        events,
        baselines: baselines && {
          version: baselines.version,
          from: String(baselines.from),
          anew: baselines.anew,
          keys: baselines.devices.map(([key]) => key),
        },
      };
      return {
        offset,
        content,
        columns: {
          newest: windows.newest,
          held: windows.held,
          lacking: windows.lacking,
          values: windows.values,
          conditions,
          timestamps: windows.timestamps,
          ...(baselines && baselineColumns(baselines.devices)),
        },
      };
    },
    decode({ offset, content, columns }) {
      const given = content as Content;
      if (!isListOfText(given.keys) || !isListOfText(given.categories))
        throw new Error('keys or categories are no lists of text');
      const codes = [unknownCategory, ...given.categories.map((name) => table.code(name))];
      return {
        offset,
        lost: given.lost,
        windows: {
          keys: given.keys,
          newest: columnOf(columns, 'newest', Float64Array),
          held: columnOf(columns, 'held', Int32Array),
          lacking: columnOf(columns, 'lacking', Int32Array),
          values: valuesOf(columns),
          conditions: recode(columnOf(columns, 'conditions', Float64Array), (place) => codes[place] ?? 0),
          timestamps: columnOf(columns, 'timestamps', Float64Array),
          knownFrom: given.knownFrom,
        },
        events: given.eventPolicy === eventPolicy ? given.events : undefined,
        baselines: given.baselines && {
          version: given.baselines.version,
          from: BigInt(given.baselines.from),
          anew: given.baselines.anew,
          devices: readDevices(given.baselines.keys, columns),
        },
      };
    },
    isOfTheseSettings: ({ content }) => (content as Partial<Content>).fingerprint === fingerprint,
  };
}

function isListOfText(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

function valuesOf(columns: StoredState['columns']): Float64Array | Uint8Array {
  const { values } = columns;
  return values instanceof Uint8Array ? values : columnOf(columns, 'values', Float64Array);
}

/** @throws Error when there is no such column of these numbers */
function columnOf<C extends Column>(
  columns: StoredState['columns'],
  name: string,
  kind: new (length: number) => C,
): C {
  const column = columns[name];
  if (column instanceof kind) return column;
  throw new Error(`has no column "${name}" of ${kind.name}`);
}

/** Of each device the records it has seen and, statistic by statistic, how many there are in the sample; then all samples. */
function baselineColumns(devices: BaselinesSnapshot): Record<string, Column> {
  const samples = devices.flatMap(([, { samples: ofDevice }]) => ofDevice);
  const values = new Float64Array(samples.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const sample of samples) {
    values.set(sample, at);
    at += sample.length;
  }
  return {
    baselinesSeen: Float64Array.from(devices, ([, { seen }]) => seen),
    baselinesStatistics: Int32Array.from(devices, ([, { samples: ofDevice }]) => ofDevice.length),
    baselinesHeld: Int32Array.from(samples, ({ length }) => length),
    baselinesSamples: values,
  };
}

function readDevices(keys: readonly string[], columns: StoredState['columns']): BaselinesSnapshot {
  const seen = columnOf(columns, 'baselinesSeen', Float64Array);
  const statistics = columnOf(columns, 'baselinesStatistics', Int32Array);
  const held = columnOf(columns, 'baselinesHeld', Int32Array);
  const values = columnOf(columns, 'baselinesSamples', Float64Array);
  let sample = 0;
  let at = 0;
  const devices = keys.map((key, k) => {
    const samples = Array.from({ length: statistics[k]! }, () =>
      Array.from(values.subarray(at, (at += held[sample++]!))),
    );
    return [key, { seen: seen[k]!, samples }] as const;
  });
  if (at !== values.length || sample !== held.length) throw new Error('has baselines that are cut off');
  return devices;
}
