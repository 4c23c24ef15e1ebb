/** Every format of sensor records by its `record.format`. To add a codec, write its file or folder and one line here. */
import { avro } from './avro/avro';
import { binary } from './binary';
import type { CodecSpec } from './codec';
import { json } from './json/json';
import { jsonSchema } from './json-schema/json-schema';

export const codecs = {
  json,
  avro,
  'json-schema': jsonSchema,
  binary,
} as const satisfies Record<string, CodecSpec>;

export type RecordFormat = keyof typeof codecs;
