/** JSON records with a JSON Schema. A record that does not match its schema is rejected, even if the detector could read it. */
import { DecodeError } from '../../errors';
import type { CodecSpec, RecordContext } from '../codec';
import { createWireFormatDecoder, type CompileSchema } from '../confluent/wire-format';
import { parseObject } from '../envelope';
import { createObjectWriter } from '../json/json';
import { Validation } from './validation';

/** Creates readers for records of JSON Schemas; rejects with a DecodeError for an unusable schema. */
export function createJsonSchemaCompiler(
  context: RecordContext,
  validation = new Validation(),
): CompileSchema {
  const write = createObjectWriter(context);
  return async (registered) => {
    const { type } = registered;
    if (type !== 'JSON')
      throw new DecodeError('unusable_schema', `not a JSON Schema: its type is ${type.slice(0, 40)}`);
    return {
      check: await validation.compile(registered),
      read: (bytes, at, message, batch, row, now) =>
        write(message, parseObject(bytes.subarray(at)), batch, row, now),
    };
  };
}

export const jsonSchema: CodecSpec = {
  doc: 'JSON in the Confluent wire format, validated against its registered JSON Schema.',
  registered: true,
  create: (context) => createWireFormatDecoder(context, createJsonSchemaCompiler),
};
