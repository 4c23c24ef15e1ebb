/** Settings of partition state, and what can go wrong with it. */
import type { BaselinePolicy } from '../calibration/baseline';
import { configuredSource } from '../sources/configured';
import { eventPolicy } from '../config/calibration';
import { windowFingerprint } from '../config/fingerprint';
import type { DetectorSettings } from '../config/settings';
import type { CategoryTable } from '../domain/condition';
import type { EventPolicy } from '../domain/event';
import type { WindowShape } from '../domain/window';
import type { WindowLimits } from '../domain/window-store';
import type { StateStore } from './store';

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

export interface StateRules {
  shape: WindowShape;
  windows: WindowLimits;
  events: EventPolicy;
  /** If absent, baselines are not followed. */
  baselines?: BaselinePolicy | undefined;
  /** Baselines to score with instead of followed ones: how much each statistic of a record is lowered. */
  recordedBaselines?: (partition: number, offset: bigint) => readonly number[] | undefined;
  /** For each given condition, whether it is a category. */
  categories: readonly boolean[];
  table: CategoryTable;
  /** If absent, state ends with the process. */
  store?: StateStore | undefined;
  /** Of the settings that windows depend on. Stored state with another fingerprint is not used. */
  fingerprint: string;
  /** Minimum number of offsets between two saves of a partition; default 10,000. */
  saveEvery?: number;
  /** Maximum number of offsets from the stored state to the next record, which are read again; default a million. */
  maxReplay?: number;
  onError?: (reason: StateErrorReason, fields: Record<string, unknown>) => void;
}

export function stateRules(
  settings: DetectorSettings,
  { shape, categories, table }: Pick<StateRules, 'shape' | 'categories' | 'table'>,
): StateRules {
  const { window, calibration, source } = settings;
  const { baselineRecords: records } = calibration;
  return {
    shape,
    windows: window,
    events: eventPolicy(settings),
    baselines: records === 0 ? undefined : { records, maxKeys: window.maxKeys },
    categories,
    table,
    // Another consumer group has other offsets.
    fingerprint: `${windowFingerprint(settings)} ${configuredSource(source).state?.group ?? ''}`,
  };
}
