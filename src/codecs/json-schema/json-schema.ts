/** JSON records with a JSON Schema. A record that does not match its schema is rejected, even if the detector could read it. */
import { DecodeError } from '../../errors';
import type { RegisteredSchema } from '../confluent/schema-registry';
import { isObject, type JsonObject } from '../../system/json';
import { loadAjv, type AnySchema } from './ajv';
import type { CodecSpec, RecordContext } from '../codec';
import { createWireFormatDecoder, type CompileSchema } from '../confluent/wire-format';
import { parseObject } from '../envelope';
import { createObjectWriter } from '../json/json';

/** Creates readers for records of JSON Schemas; rejects with a DecodeError for an unusable schema. */
export function createJsonSchemaCompiler(context: RecordContext): CompileSchema {
  const write = createObjectWriter(context);
  return async (registered) => {
    const check = await compileCheck(registered);
    return (bytes, at, message, batch, row, now) => {
      const record = parseObject(bytes.subarray(at));
      check(record);
      write(message, record, batch, row, now);
    };
  };
}

/** Compiles a check that throws a DecodeError for a record that does not match. */
async function compileCheck({
  type,
  text,
  references,
}: RegisteredSchema): Promise<(record: JsonObject) => void> {
  if (type !== 'JSON') throw unusable(`its type is ${type.slice(0, 40)}`);
  const schema = parseSchema(text);
  const { $schema: draft } = isObject(schema) ? schema : {};
  const ajv = await loadAjv(typeof draft === 'string' ? draft : undefined);
  if (ajv === undefined) throw unusable(`unknown draft (${String(draft).slice(0, 80)})`);
  try {
    for (const reference of references) ajv.addSchema(parseSchema(reference.text), reference.name);
    const validate = ajv.compile(schema);
    return (record) => {
      if (isValid(() => validate(record))) return;
      const what = ajv.errorsText(validate.errors?.slice(0, 1), { dataVar: 'the record' });
      throw new DecodeError('schema_mismatch', `does not match its JSON Schema: ${what.slice(0, 160)}`);
    };
  } catch (error) {
    if (error instanceof DecodeError) throw error;
    throw unusable((error as Error).message.slice(0, 160));
  } finally {
    // The next schema may have other references of the same names.
    ajv.removeSchema();
  }
}

/** A recursive schema on a deeply nested record can overflow the stack. */
function isValid(validate: () => boolean | Promise<unknown>): boolean {
  try {
    return validate() === true;
  } catch (error) {
    if (error instanceof RangeError)
      throw new DecodeError('schema_mismatch', 'is nested too deeply to be validated');
    throw error;
  }
}

function parseSchema(text: string): AnySchema {
  let schema: unknown;
  try {
    schema = JSON.parse(text);
  } catch (error) {
    throw unusable((error as Error).message.slice(0, 160));
  }
  if (typeof schema === 'boolean' || isObject(schema)) return schema;
  throw unusable('it is neither an object nor true or false');
}

function unusable(what: string): DecodeError {
  return new DecodeError('unusable_schema', `unusable JSON Schema: ${what}`);
}

export const jsonSchema: CodecSpec = {
  doc: 'JSON in the Confluent wire format, validated against its registered JSON Schema.',
  registered: true,
  create: (context) => createWireFormatDecoder(context, createJsonSchemaCompiler),
};
