/** What a format of sensor records consists of. Each is a file or folder beside this file and a line in codecs.ts. */
import type { ReadConditions } from '../domain/condition';
import type { RecordSchema } from '../domain/record';
import type { DecodeBatch } from './batch';
import type { SchemaRegistry } from './confluent/schema-registry';
import type { DecodeLimits, RecordFields } from './envelope';

/** What a decoder is created with. */
export interface CodecContext {
  /** Where the parts of a record are, in formats with named fields. */
  fields: RecordFields;
  schema: RecordSchema;
  limits: DecodeLimits;
  readConditions: ReadConditions;
  /** For formats whose messages name a registered schema. @throws Error for a source without a registry */
  registry: () => SchemaRegistry;
}

export interface CodecSpec {
  /** One sentence for the documentation of `record.format`. */
  doc: string;
  /** Whether each message names its schema in a schema registry. */
  registered: boolean;
  create(context: CodecContext): DecodeBatch;
}
