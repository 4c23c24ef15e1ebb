/** The record decoder of a detector: from messages to columns of values. The daemon and training share it. */
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
  /** Format of the messages, where it is not that of the source: files have JSON. */
  format?: DetectorSettings['record']['format'];
  /** Values of conditions that are kept apart; default 65,535. */
  maxCategories?: number;
  /** Codes of categories that this decoder shares with another one; by default it has its own. */
  table?: CategoryTable;
  /** Gets notes about images, such as a change of their scale. */
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
