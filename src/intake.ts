/** From messages to windows, as one detector is configured: the same way in for the daemon and for training. */
import { createHash } from 'node:crypto';
import type { DetectorSettings } from './config/settings';
import { createCategoryTable, createConditionReader, type CategoryTable } from './domain/condition';
import { givenConditions } from './domain/record';
import type { WindowShape } from './domain/window';
import { createJsonDecoder, type Decode } from './sources/decode/json';

export interface Intake {
  table: CategoryTable;
  decode: Decode;
  shape: WindowShape;
}

export function createIntake({ record, fields, window }: DetectorSettings): Intake {
  const table = createCategoryTable();
  return {
    table,
    decode: createJsonDecoder(fields, record, record, createConditionReader(record.conditions, table)),
    shape: {
      length: window.length,
      channels: record.channels.length,
      conditions: givenConditions(record.conditions).length,
    },
  };
}

/** Changes when a model that was trained under other settings cannot be used any more. */
export function settingsFingerprint({ record, window, model, calibration }: DetectorSettings): string {
  const relevant = {
    channels: record.channels,
    conditions: record.conditions,
    // Limits are not part of what a version has learned.
    signals: record.signals.map(({ channel, direction, deadband }) => ({ channel, direction, deadband })),
    length: window.length,
    // What a window may hold beside full records.
    interval: window.intervalMs,
    gaps: window.gaps,
    padding: window.padding,
    model,
    statistics: calibration.statistics,
  };
  return createHash('sha256').update(JSON.stringify(relevant)).digest('hex').slice(0, 16);
}
