/** Settings of partition state, and what can go wrong with it. */
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

/** None of these stops scoring; each may change detections after a restart. */
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
  /** Records after which nothing that was lost of a device decides its score. */
  records: number;
}

/** What the score of a record took from its device. */
export interface RecordedBaseline {
  rise: number;
  /** Scaled. Shape [channels]; undefined = nothing. */
  shift: Float32Array | undefined;
  /** Means in the evidence, in its order. */
  means: readonly number[];
  /** T² of the mean deviation from the linear sibling. */
  linearMean: number;
  slow: number;
  /** T² of the linear sibling, given the context. */
  linear: number;
  runs: number;
}

export interface StateRules {
  shape: WindowShape;
  windows: WindowLimits;
  events: EventPolicy;
  /** If absent, baselines are not followed. */
  baselines?: BaselinePolicy | undefined;
  /** What scores took from baselines, where that is recorded. */
  recordedBaselines?: (partition: number, offset: bigint) => RecordedBaseline | undefined;
  /** The labels of people that are known now; if absent, there are none. */
  labels?: () => readonly Label[];
  /** Called when a label is found that takes effect on an event. */
  onLabel?: (label: EventLabel) => void;
  /** For each given condition, whether it is a category. */
  categories: readonly boolean[];
  table: CategoryTable;
  /** If absent, state ends with the process. */
  store?: PartitionStore | undefined;
  /** Fingerprint of the settings that windows depend on. Stored state with another fingerprint is not used. */
  fingerprint: string;
  /** Minimum number of offsets between two saves of a partition; default 10,000. */
  saveEvery?: number;
  /** Maximum number of offsets from the stored state to the next record, which are read again; default a million. */
  maxReplay?: number;
  onError?: (reason: StateErrorReason, fields: Record<string, unknown>) => void;
}

/** The slow test depends on about this many records. */
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
    // Each image is scored by itself, without a baseline of its device.
    baselines:
      record.kind === 'image'
        ? undefined
        : { records: Math.max(events.acceptAfter, leastRecords), maxKeys: window.maxKeys },
    categories,
    table,
    // Another consumer group has other offsets.
    fingerprint: `${windowFingerprint(settings)} ${configuredSource(source).state?.group ?? ''}`,
  };
}
