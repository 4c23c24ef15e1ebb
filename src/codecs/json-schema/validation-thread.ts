/** The thread of validation.ts: compiles JSON Schemas and validates records, one request after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import type { RegisteredSchema } from '../confluent/schema-registry';
import { isObject } from '../../system/json';
import { messageOf } from '../../system/error-text';
import { loadAjv, type AnySchema } from './ajv';

export interface ValidationRequest {
  /** Number of the schema. */
  id: number;
  /** The schema, unless the thread has it already. */
  schema?: Pick<RegisteredSchema, 'text' | 'references'> | undefined;
  /** JSON texts, one after the other. */
  bytes: Uint8Array;
  /** End of each text in `bytes`. */
  ends: Uint32Array;
}

/** For each record, null or the reason why it does not match its schema; or the reason why the schema is unusable. */
export type ValidationAnswer = { problems: (string | null)[] } | { unusable: string };

/** Returns null, or the reason why a record does not match. */
type Check = (record: unknown) => string | null;

/** Values of the progress while the thread validates no record. */
export const stages = { starting: -2, compiling: -1 } as const;

/** Maximum length of a reason, characters. */
const maxLength = 160;

/** Compiles a check. All errors of the compiler are thrown. */
async function compile({ text, references }: Pick<RegisteredSchema, 'text' | 'references'>): Promise<Check> {
  const schema = parseSchema(text);
  const { $schema: draft } = isObject(schema) ? schema : {};
  const ajv = await loadAjv(typeof draft === 'string' ? draft : undefined);
  if (ajv === undefined) throw new Error(`unknown draft (${String(draft).slice(0, 80)})`);
  Atomics.store(progress, 0, stages.compiling);
  try {
    for (const reference of references) ajv.addSchema(parseSchema(reference.text), reference.name);
    const validate = ajv.compile(schema);
    return (record) => {
      try {
        if (validate(record) === true) return null;
      } catch (error) {
        // A recursive schema on a deeply nested record overflows the stack.
        if (error instanceof RangeError) return 'is nested too deeply to be validated';
        throw error;
      }
      const what = ajv.errorsText(validate.errors?.slice(0, 1), { dataVar: 'the record' });
      return `does not match its JSON Schema: ${what.slice(0, maxLength)}`;
    };
  } finally {
    // The next schema may have other references with the same names.
    ajv.removeSchema();
  }
}

function parseSchema(text: string): AnySchema {
  const schema: unknown = JSON.parse(text);
  if (typeof schema === 'boolean' || isObject(schema)) return schema;
  throw new Error('it is neither an object nor true or false');
}

/** The parsed text; undefined if it is not JSON, which the reader of the record rejects later. */
function parseRecord(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString());
  } catch {
    return undefined;
  }
}

const checks = new Map<number, Check>();
/** Shared with the daemon: position of the record in validation, or one of `stages`. */
const progress = workerData as Int32Array;

async function answer({ id, schema, bytes, ends }: ValidationRequest): Promise<ValidationAnswer> {
  Atomics.store(progress, 0, stages.starting);
  try {
    if (schema !== undefined) checks.set(id, await compile(schema));
  } catch (error) {
    return { unusable: messageOf(error).slice(0, maxLength) };
  }
  const check = checks.get(id)!;
  const problems = Array.from(ends, (end, i) => {
    Atomics.store(progress, 0, i);
    const record = parseRecord(bytes.subarray(i === 0 ? 0 : ends[i - 1], end));
    return isObject(record) ? check(record) : null;
  });
  return { problems };
}

parentPort?.on('message', (request: ValidationRequest) => {
  void answer(request).then((result) => parentPort?.postMessage(result));
});
