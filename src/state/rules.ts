/** Settings of partition state, and its possible errors. */
import type { MemoryPolicy } from '../calibration/memory';
import { configuredSource } from '../sources/configured';
import { eventPolicy } from '../config/calibration';
import { windowFingerprint } from '../config/fingerprint';
import type { DetectorSettings } from '../config/settings';
import type { CategoryTable } from '../domain/condition';
import type { EventLabel, EventPolicy } from '../domain/event';
import type { Label } from '../domain/label';
import type { WindowShape } from '../domain/window';
import type { WindowLimits } from '../domain/window-store';
import type { PartitionStore } from './store';

/** None of these errors stops scoring; each may change detections after a restart. */
export const stateErrorReasons = [
  'unreadable',
  'unsaved',
  'records_missing',
  'ahead',
  'too_old',
  'other_settings',
] as const;
export type StateErrorReason = (typeof stateErrorReasons)[number];

export interface BaselinePolicy extends MemoryPolicy {
  /** Number of records after which a lost baseline no longer affects the score of a device. */
  records: number;
}

/** Baseline that the score of a record was computed with. */
export interface RecordedBaseline {
  rise: number;
  /** Shift, scaled. Shape [channels]; undefined = none. */
  shift: Float32Array | undefined;
  /** Means in the evidence, in the order of its statistics. */
  means: readonly number[];
  /** T² of the mean deviation from the linear sibling. */
  linearMean: number;
  slow: number;
  /** T² of the linear sibling, given the context. */
  linear: number;
  runs: number;
}

export interface RecordedBaselines {
  /** The baseline in the detection of the record at an offset; undefined if the record has none. */
  at(partition: number, offset: bigint): RecordedBaseline | undefined;
  /** Offset from which on the version follows the records of a partition. */
  from(partition: number): bigint;
}

export interface StateRules {
  shape: WindowShape;
  windows: WindowLimits;
  events: EventPolicy;
  /** If absent, baselines are not followed. */
  baselines?: BaselinePolicy | undefined;
  /** Baselines recorded with the detections of past records, if there are any. */
  recordedBaselines?: RecordedBaselines;
  /** Labels known at present; absent = none. */
  labels?: () => readonly Label[];
  /** Called when a label is found that has an effect on an event. */
  onLabel?: (label: EventLabel) => void;
  /** For each given condition, whether it is a category. */
  categories: readonly boolean[];
  table: CategoryTable;
  /** If absent, the state ends with the process. */
  store?: PartitionStore | undefined;
  /** Fingerprint of the settings that windows depend on. Stored state with another fingerprint is not used. */
  fingerprint: string;
  /** Minimum number of offsets between two saves of a partition; default 10,000. */
  saveEvery?: number;
  /** Maximum number of offsets from the stored state to the next record. They are read again; default a million. */
  maxReplay?: number;
  onError?: (reason: StateErrorReason, fields: Record<string, unknown>) => void;
}

/** Least number of records; a slow test checks that about this many suffice. */
const leastRecords = 500;

export function stateRules(
  settings: DetectorSettings,
  { shape, categories, table }: Pick<StateRules, 'shape' | 'categories' | 'table'>,
): StateRules {
  const { window, events, record, source } = settings;
  return {
    shape,
    windows: window,
    events: eventPolicy(settings),
    // Images have no baselines, as each one is scored by itself.
    baselines:
      record.kind === 'image'
        ? undefined
        : { records: Math.max(events.acceptAfter, leastRecords), maxKeys: window.maxKeys },
    categories,
    table,
    // The source is included, as another consumer group has other offsets.
    fingerprint: `${windowFingerprint(settings)} ${configuredSource(source).state?.group ?? ''}`,
  };
}
