/** The stored form of a partition's state: categories by name instead of code, and long lists as columns. */
import type { MemorySnapshot } from '../calibration/memory';
import { unknownCategory } from '../domain/condition';
import type { EventLabel, EventsSnapshot } from '../domain/event';
import type { WindowsSnapshot } from '../domain/window-snapshot';
import type { StateRules } from './rules';
import type { Column, StoredState } from './store';

/** The baselines of a model version. */
export interface BaselinesStart {
  version: string;
  /** The baselines follow the records after this offset. */
  from: bigint;
  /** Whether they began because earlier baselines were lost. */
  afterLoss: boolean;
  devices: MemorySnapshot;
}

/** A label that took effect between two records. */
export interface RecordedLabel extends EventLabel {
  /** Offset of the record before the label. */
  after: bigint;
}

export interface PartitionSnapshot {
  /** Offset of the last message that the snapshot includes. */
  offset: bigint;
  /** Whether records before the state's first one were scored, but not read. */
  lost: boolean;
  windows: WindowsSnapshot;
  /** Undefined if the events were built under another event policy. */
  events: EventsSnapshot | undefined;
  baselines: BaselinesStart | undefined;
  /** Labels that took effect after the snapshot. The records that follow it are processed again with them. */
  labels: readonly RecordedLabel[];
}

interface Content {
  fingerprint: string;
  lost: boolean;
  keys: readonly string[];
  /** Code i in the conditions stands for entry i − 1; 0 is the unknown category. */
  categories: readonly string[];
  knownFrom: number;
  eventPolicy: string;
  events: EventsSnapshot | undefined;
  baselines: StoredBaselines | undefined;
  /** Absent in the state of older versions. */
  labels?: readonly (EventLabel & { after: string })[];
}

interface StoredBaselines extends Pick<BaselinesStart, 'version' | 'afterLoss'> {
  from: string;
  keys: readonly string[];
}

export function createSnapshotFormat(
  rules: Pick<StateRules, 'categories' | 'table' | 'events' | 'fingerprint'>,
) {
  const { categories, table, fingerprint } = rules;
  const eventPolicy = JSON.stringify(rules.events);

  /** The codes of categories differ between processes, so they are stored as positions in a list of names. */
  function recode(conditions: Float64Array, codeOf: (code: number) => number): Float64Array {
    const width = categories.length;
    return conditions.map((value, i) => (categories[i % width] === true ? codeOf(value) : value));
  }

  return {
    encode({ offset, lost, windows, events, baselines, labels }: PartitionSnapshot): StoredState {
      const { keys, knownFrom, rhythms, priorValues, priorTimes, ...columns } = windows;
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
        keys,
        categories: names,
        knownFrom,
        eventPolicy,
        events,
        baselines: baselines && {
          version: baselines.version,
          from: String(baselines.from),
          afterLoss: baselines.afterLoss,
          keys: baselines.devices.keys,
        },
        labels: labels.map((label) => ({ ...label, after: String(label.after) })),
      };
      return {
        offset,
        content,
        columns: {
          ...columns,
          ...(rhythms && { rhythms }),
          ...(priorValues && { priorValues }),
          ...(priorTimes && { priorTimes }),
          conditions,
          ...(baselines && { baselines: baselines.devices.cells }),
        },
      };
    },
    /** @throws Error if the state was not written by `encode` */
    decode({ offset, content, columns }: StoredState): PartitionSnapshot {
      const given = content as Content;
      if (!isListOfText(given.keys) || !isListOfText(given.categories))
        throw new Error('keys and categories must be lists of text');
      const codes = [unknownCategory, ...given.categories.map((name) => table.code(name))];
      return {
        offset,
        lost: given.lost,
        windows: {
          keys: given.keys,
          newest: columnOf(columns, 'newest', Float64Array),
          counts: columnOf(columns, 'counts', Int32Array),
          lacking: columnOf(columns, 'lacking', Int32Array),
          rhythms: newerColumn(columns, 'rhythms'),
          values: valuesOf(columns),
          conditions: recode(columnOf(columns, 'conditions', Float64Array), (place) => codes[place] ?? 0),
          timestamps: columnOf(columns, 'timestamps', Float64Array),
          priorValues: newerColumn(columns, 'priorValues'),
          priorTimes: newerColumn(columns, 'priorTimes'),
          knownFrom: given.knownFrom,
        },
        events: given.eventPolicy === eventPolicy ? given.events : undefined,
        baselines: given.baselines && readBaselines(given.baselines, columns),
        labels: (given.labels ?? []).map((label) => ({ ...label, after: BigInt(label.after) })),
      };
    },
    /** Whether the state was built under the settings of `fingerprint`. */
    hasTheseSettings: ({ content }: StoredState): boolean =>
      (content as Partial<Content>).fingerprint === fingerprint,
  };
}

function isListOfText(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

function valuesOf(columns: StoredState['columns']): Float64Array | Uint8Array {
  const { values } = columns;
  return values instanceof Uint8Array ? values : columnOf(columns, 'values', Float64Array);
}

/** @throws Error if there is no such column, or if it has another type */
function columnOf<C extends Column>(
  columns: StoredState['columns'],
  name: string,
  kind: new (length: number) => C,
): C {
  const column = columns[name];
  if (column instanceof kind) return column;
  throw new Error(`has no column "${name}" of ${kind.name}`);
}

/** A column that is absent, and so undefined, in the state of older versions. */
function newerColumn(columns: StoredState['columns'], name: string): Float64Array | undefined {
  return name in columns ? columnOf(columns, name, Float64Array) : undefined;
}

function readBaselines(
  { keys, from, ...rest }: StoredBaselines,
  columns: StoredState['columns'],
): BaselinesStart {
  return {
    ...rest,
    from: BigInt(from),
    devices: { keys, cells: columnOf(columns, 'baselines', Float64Array) },
  };
}
