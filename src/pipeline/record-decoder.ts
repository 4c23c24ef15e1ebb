/** The record decoder of a detector turns messages into columns of values. The daemon and training share it. */
import { sourceOf, type DetectorSettings } from '../config/settings';
import { createCategoryTable, createConditionReader, type CategoryTable } from '../domain/condition';
import { givenConditions } from '../domain/record';
import { windowShape } from '../domain/window';
import type { CodecSpec } from '../codecs/codec';
import { codecs } from '../codecs/codecs';
import { createImageDecoder, type ImageLog } from '../codecs/image/image';
import { createSchemaRegistry } from '../codecs/confluent/schema-registry';

export type RecordDecoder = ReturnType<typeof createRecordDecoder>;

export interface RecordDecoderOptions {
  /** Format of the messages, if it differs from `record.format`: files have JSON. */
  format?: DetectorSettings['record']['format'];
  /** Number of category values that are distinguished; default 65,535. */
  maxCategories?: number;
  /** Codes of categories to share with another decoder; by default the decoder has its own table. */
  table?: CategoryTable;
  /** Receives notes about images, such as a change of their scale. */
  log?: ImageLog;
}

export function createRecordDecoder(
  settings: Pick<DetectorSettings, 'detector' | 'source' | 'record' | 'fields' | 'window'>,
  { format = settings.record.format, maxCategories, log, ...shared }: RecordDecoderOptions = {},
) {
  const { record, fields, window } = settings;
  const table =
    shared.table ?? createCategoryTable(maxCategories === undefined ? undefined : maxCategories + 1);
  const readConditions = createConditionReader(record.conditions, table);
  const codec: CodecSpec = codecs[format];
  return {
    /** For each given condition, whether it is a category. */
    categories: givenConditions(record.conditions).map(({ kind }) => kind === 'category'),
    table,
    decode:
      record.kind === 'image'
        ? createImageDecoder({ fields, schema: record, limits: record, readConditions }, record.image, log)
        : codec.create({
            fields,
            schema: record,
            limits: record,
            readConditions,
            registry: () => createSchemaRegistry(sourceOf(settings, 'kafka').kafka.registry),
          }),
    shape: windowShape(record, window.length),
  };
}
