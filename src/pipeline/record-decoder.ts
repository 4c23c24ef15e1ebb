/** The record decoder of a detector: from messages to columns of values. The daemon and training share it. */
import { sourceOf, type DetectorSettings } from '../config/settings';
import { createCategoryTable, createConditionReader } from '../domain/condition';
import { givenConditions } from '../domain/record';
import { windowShape } from '../domain/window';
import type { CodecSpec } from '../codecs/codec';
import { codecs } from '../codecs/codecs';
import { createImageDecoder, type ImageLog } from '../codecs/image/image';
import { createSchemaRegistry } from '../codecs/confluent/schema-registry';

export type RecordDecoder = ReturnType<typeof createRecordDecoder>;

/**
 * @param format of the messages, where it is not that of the source: files have JSON
 * @param maxCategories values of conditions that are kept apart; default 65,535
 * @param log gets notes about images, such as a change of their scale
 */
export function createRecordDecoder(
  settings: DetectorSettings,
  format = settings.record.format,
  maxCategories?: number,
  log?: ImageLog,
) {
  const { record, fields, window } = settings;
  const table = createCategoryTable(maxCategories === undefined ? undefined : maxCategories + 1);
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
