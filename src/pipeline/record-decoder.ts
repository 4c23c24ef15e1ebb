/** From messages to windows, as one detector is configured: the same way in for the daemon and for training. */
import { sourceOf, type DetectorSettings, type RecordFormat } from '../config/settings';
import {
  createCategoryTable,
  createConditionReader,
  type CategoryTable,
  type ReadConditions,
} from '../domain/condition';
import { givenConditions } from '../domain/record';
import { windowShape, type WindowShape } from '../domain/window';
import { createAvroCompiler } from '../codecs/avro/avro';
import { decodeEach, type DecodeBatch } from '../codecs/batch';
import { createBinaryDecoder } from '../codecs/binary';
import { createFramedDecoder, type CompileSchema } from '../codecs/confluent/wire-format';
import { createImageDecoder } from '../codecs/image/image';
import { createJsonDecoder } from '../codecs/json/json';
import { createJsonSchemaCompiler } from '../codecs/json-schema/json-schema';
import { createSchemaRegistry } from '../codecs/confluent/schema-registry';

export interface RecordDecoder {
  /** For each given condition, whether it is a category. */
  categories: readonly boolean[];
  table: CategoryTable;
  decode: DecodeBatch;
  shape: WindowShape;
}

/** @param format how the messages are written, where that is not as their source has them: files have JSON */
export function createRecordDecoder(
  settings: DetectorSettings,
  format = settings.record.format,
): RecordDecoder {
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
  settings: DetectorSettings,
  format: RecordFormat,
  readConditions: ReadConditions,
): DecodeBatch {
  const { record, fields } = settings;
  if (record.kind === 'image')
    return createImageDecoder(fields, record, record.image, record, readConditions);
  const framed = (compile: CompileSchema): DecodeBatch =>
    createFramedDecoder(
      record,
      record,
      createSchemaRegistry(sourceOf(settings, 'kafka').kafka.registry),
      compile,
    );
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
