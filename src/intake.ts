/** From messages to windows, as one detector is configured: the same way in for the daemon and for training. */
import { createHash } from 'node:crypto';
import type { DetectorSettings } from './config/settings';
import { createCategoryTable, createConditionReader, type CategoryTable } from './domain/condition';
import { givenConditions, imageOf } from './domain/record';
import { windowShape, type WindowShape } from './domain/window';
import { decodeEach, type DecodeBatch } from './sources/decode/batch';
import { createImageDecoder } from './sources/decode/image';
import { createJsonDecoder } from './sources/decode/json';

export interface Intake {
  /** For each given condition, whether it is a category. */
  categories: readonly boolean[];
  table: CategoryTable;
  decode: DecodeBatch;
  shape: WindowShape;
}

export function createIntake({ record, fields, window }: DetectorSettings): Intake {
  const table = createCategoryTable();
  const readConditions = createConditionReader(record.conditions, table);
  return {
    categories: givenConditions(record.conditions).map(({ kind }) => kind === 'category'),
    table,
    decode:
      record.kind === 'image'
        ? createImageDecoder(fields, record, record.image, record, readConditions)
        : decodeEach(record, createJsonDecoder(fields, record, record, readConditions)),
    shape: windowShape(record, window.length),
  };
}

/** Changes when windows that were filled under other settings cannot be used any more. */
export function windowFingerprint({ record, fields, window }: DetectorSettings): string {
  const { length, ttlMs, intervalMs, gaps, padding } = window;
  return fingerprintOf({
    channels: record.channels,
    image: imageOf(record),
    conditions: record.conditions,
    fields,
    window: { length, ttlMs, intervalMs, gaps, padding },
  });
}

/** Changes when a model that was trained under other settings cannot be used any more. */
export function settingsFingerprint({ record, window, model, calibration }: DetectorSettings): string {
  const image = imageOf(record);
  const relevant = {
    channels: record.channels,
    // What decides how the pixels look to the model; for sensors nothing, so that their models stay in use.
    ...(image && { image: { ...record.image, format: undefined, maxPixels: undefined } }),
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
  return fingerprintOf(relevant);
}

function fingerprintOf(relevant: object): string {
  return createHash('sha256').update(JSON.stringify(relevant)).digest('hex').slice(0, 16);
}
