/** From messages to windows, as one detector is configured: the same way in for the daemon and for training. */
import { createHash } from 'node:crypto';
import type { DetectorSettings, RecordFormat } from './config/settings';
import {
  createCategoryTable,
  createConditionReader,
  type CategoryTable,
  type ReadConditions,
} from './domain/condition';
import { givenConditions, imageOf } from './domain/record';
import { windowShape, type WindowShape } from './domain/window';
import { createAvroCompiler } from './sources/decode/avro';
import { decodeEach, type DecodeBatch } from './sources/decode/batch';
import { createBinaryDecoder } from './sources/decode/binary';
import { createFramedDecoder, type CompileSchema } from './sources/decode/framed';
import { createImageDecoder } from './sources/decode/image';
import { createJsonDecoder } from './sources/decode/json';
import { createJsonSchemaCompiler } from './sources/decode/json-schema';
import { createSchemaRegistry } from './sources/schema-registry';

export interface Intake {
  /** For each given condition, whether it is a category. */
  categories: readonly boolean[];
  table: CategoryTable;
  decode: DecodeBatch;
  shape: WindowShape;
}

/** @param format how the messages are written, where that is not as their source has them: files have JSON */
export function createIntake(settings: DetectorSettings, format = settings.record.format): Intake {
  const { record, window } = settings;
  const table = createCategoryTable();
  const readConditions = createConditionReader(record.conditions, table);
  return {
    categories: givenConditions(record.conditions).map(({ kind }) => kind === 'category'),
    table,
    decode: createDecoder(settings, format, readConditions),
    shape: windowShape(record, window.length),
  };
}

function createDecoder(
  { record, fields, source }: DetectorSettings,
  format: RecordFormat,
  readConditions: ReadConditions,
): DecodeBatch {
  if (record.kind === 'image')
    return createImageDecoder(fields, record, record.image, record, readConditions);
  const framed = (compile: CompileSchema): DecodeBatch =>
    createFramedDecoder(record, record, createSchemaRegistry(source.kafka.registry), compile);
  switch (format) {
    case 'json':
      return decodeEach(record, createJsonDecoder(fields, record, record, readConditions));
    case 'binary':
      return decodeEach(record, createBinaryDecoder(record, record, readConditions));
    case 'avro':
      return framed(createAvroCompiler(fields, record, record, readConditions));
    case 'json-schema':
      return framed(createJsonSchemaCompiler(fields, record, record, readConditions));
  }
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
    // Left out where there is none, so that older versions stay in use.
    ...(calibration.groupBy !== '' && { groupBy: calibration.groupBy }),
  };
  return fingerprintOf(relevant);
}

function fingerprintOf(relevant: object): string {
  return createHash('sha256').update(JSON.stringify(relevant)).digest('hex').slice(0, 16);
}
