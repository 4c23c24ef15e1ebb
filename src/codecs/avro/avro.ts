/**
 * Avro records. The writer's schema is compiled, once, into a function that puts what the detector wants into the columns
 * of the batch and passes over the rest, so that no object is made of a record.
 */
import type { ReadConditions } from '../../domain/condition';
import { givenConditions, type RecordSchema, type Values } from '../../domain/record';
import { DecodeError } from '../../errors';
import type { RegisteredSchema } from '../confluent/schema-registry';
import { createCursor, damaged, eachItem, readLong, readText, step, type Cursor } from './bytes';
import { parseAvroSchema, type AvroType, type RecordType } from './schema';
import { createSkip, momentOf, numberReaderOf, scalarReaderOf, type Skip } from './values';
import type { CodecSpec } from '../codec';
import { createFramedDecoder, type ReadFramed } from '../confluent/wire-format';
import { createEnvelopeWriter, describe, stepsOf, type DecodeLimits, type RecordFields } from '../envelope';
import { checkCount, checkNumber, missingValue, unknownChannel } from '../values';

/** A record under way. */
interface Draft {
  key: unknown;
  timestamp: unknown;
  conditions: Record<string, unknown>;
  /** NaN where nothing has been read. */
  values: Values;
  /** Of the row in `values`. */
  offset: number;
  /** Whether there was something that could hold values. */
  holdsValues: boolean;
}

/** Reads a value and puts it where it is wanted. */
type Read = (cursor: Cursor, draft: Draft) => void;

/** What is to become of a value, when the steps to it have been gone. */
type Want = { steps: readonly string[] } & (
  | { role: 'key' | 'timestamp' | 'values' | 'conditions' }
  | { role: 'channel'; index: number }
  | { role: 'condition'; name: string }
);

/** Makes readers of the records of Avro schemas; throws a DecodeError where a schema is none. */
export function createAvroCompiler(
  fields: RecordFields,
  schema: RecordSchema,
  limits: DecodeLimits,
  readConditions: ReadConditions,
): (registered: RegisteredSchema) => ReadFramed {
  const { channels } = schema;
  const channelIndex = new Map(channels.map((channel, i) => [channel, i]));
  const conditionNames = new Set(givenConditions(schema.conditions).map(({ name }) => name));
  const writeEnvelope = createEnvelopeWriter(fields.key, limits, readConditions);
  const wants: Want[] = [
    ...(fields.key === '' ? [] : [{ role: 'key', steps: stepsOf(fields.key) } as const]),
    ...(fields.timestamp === '' ? [] : [{ role: 'timestamp', steps: stepsOf(fields.timestamp) } as const]),
    { role: 'values', steps: stepsOf(fields.values) },
    { role: 'conditions', steps: stepsOf(fields.conditions) },
  ];

  return ({ type: schemaType, text, references }) => {
    if (schemaType !== 'AVRO')
      throw new DecodeError('unusable_schema', `no Avro schema: it is of type ${schemaType.slice(0, 40)}`);
    const type = parseAvroSchema(text, references);
    const skips = new Map<AvroType, Skip>();
    const read = compile(type, wants);
    const draft: Draft = {
      key: undefined,
      timestamp: undefined,
      conditions: {},
      values: new Float64Array(),
      offset: 0,
      holdsValues: false,
    };

    function compile(of: AvroType, wanted: readonly Want[]): Read {
      if (wanted.length === 0) return skipOf(of);
      switch (of.kind) {
        case 'union':
          return compileUnion(of.branches.map((branch) => compile(branch, wanted)));
        case 'record':
          return compileRecord(of, wanted);
        case 'map':
          return compileMap(of.values, wanted);
        case 'array':
          return compileArray(of, wanted);
        default:
          return compileScalar(of, wanted);
      }
    }

    function skipOf(of: AvroType): Skip {
      const known = skips.get(of);
      if (known !== undefined) return known;
      // A record may hold itself: what is asked for meanwhile finds this one.
      let skip: Skip = () => undefined;
      skips.set(of, (cursor) => skip(cursor));
      skip = createSkip(of, skipOf);
      return skip;
    }

    function compileRecord(of: RecordType, wanted: readonly Want[]): Read {
      const parts = of.fields.map(({ name, type: inner }) => compileNamed(name, inner, wanted));
      const receive = receiverOf(wanted);
      return (cursor, into) => {
        step(cursor);
        receive(into);
        for (const part of parts) part(cursor, into);
      };
    }

    /** What a record or a map has under a name. */
    function compileNamed(name: string, inner: AvroType, wanted: readonly Want[]): Read {
      const here = descend(wanted, name);
      const isStrange =
        here.length === 0 && wanted.some(isHere('values')) && schema.extraChannels === 'reject';
      if (!isStrange) return compile(inner, here);
      return () => {
        throw unknownChannel(name);
      };
    }

    function compileMap(inner: AvroType, wanted: readonly Want[]): Read {
      const receive = receiverOf(wanted);
      const byName = new Map(namesIn(wanted).map((name) => [name, compileNamed(name, inner, wanted)]));
      const isStrict = wanted.some(isHere('values')) && schema.extraChannels === 'reject';
      const skip = skipOf(inner);
      return (cursor, into) => {
        receive(into);
        eachItem(cursor, () => {
          const name = readText(cursor);
          const part = byName.get(name);
          if (part !== undefined) part(cursor, into);
          else if (isStrict) throw unknownChannel(name);
          else skip(cursor);
        });
      };
    }

    /** Values as a list, in the order of the channels. Whatever else is wanted is in no list. */
    function compileArray(of: AvroType & { kind: 'array' }, wanted: readonly Want[]): Read {
      const receive = receiverOf(wanted);
      if (!wanted.some(isHere('values'))) {
        const skip = skipOf(of);
        return (cursor, into) => {
          receive(into);
          skip(cursor);
        };
      }
      const items = channels.map((_, index) => compile(of.items, [{ role: 'channel', index, steps: [] }]));
      const skip = skipOf(of.items);
      return (cursor, into) => {
        receive(into);
        const count = eachItem(cursor, (index) => (items[index] ?? skip)(cursor, into));
        checkCount(count, schema);
      };
    }

    function compileScalar(of: AvroType, wanted: readonly Want[]): Read {
      const here = wanted.filter(({ steps }) => steps.length === 0);
      if (here.length === 0) return skipOf(of);
      const [only] = here;
      const readNumber = numberReaderOf(of);
      if (here.length === 1 && only?.role === 'channel' && readNumber !== undefined) {
        const { index } = only;
        const channel = channels[index]!;
        return (cursor, into) => {
          into.values[into.offset + index] = checkNumber(readNumber(cursor), channel, schema);
        };
      }
      const readScalar = scalarReaderOf(of);
      const receivers = here.map((want) => scalarReceiver(of, want));
      return (cursor, into) => {
        const value = readScalar(cursor);
        for (const receive of receivers) receive(value, into);
      };
    }

    function scalarReceiver(of: AvroType, want: Want): (value: unknown, into: Draft) => void {
      switch (want.role) {
        case 'key':
          return (value, into) => (into.key = value);
        case 'timestamp':
          return (value, into) => (into.timestamp = momentOf(value, of));
        case 'condition':
          return (value, into) => (into.conditions[want.name] = value);
        case 'channel':
          return (value, into) => {
            if (value === null) return;
            const number = of.kind === 'long' ? Number(value) : value;
            if (typeof number !== 'number') throw notANumber(channels[want.index]!, value);
            into.values[into.offset + want.index] = checkNumber(number, channels[want.index]!, schema);
          };
        default:
          // A scalar holds neither values nor conditions.
          return () => undefined;
      }
    }

    /** What it means that there is a record, a map or a list where something is wanted. */
    function receiverOf(wanted: readonly Want[]): (into: Draft) => void {
      const here = wanted.filter(({ steps }) => steps.length === 0);
      return (into) => {
        for (const want of here) {
          if (want.role === 'values') into.holdsValues = true;
          else if (want.role === 'channel') throw notANumber(channels[want.index]!, {});
          else if (want.role === 'condition') into.conditions[want.name] = {};
          else if (want.role !== 'conditions') into[want.role] = {};
        }
      };
    }

    /** What is wanted of the part that has this name. */
    function descend(wanted: readonly Want[], name: string): Want[] {
      return wanted.flatMap((want): Want[] => {
        const [first, ...steps] = want.steps;
        if (first !== undefined) return first === name ? [{ ...want, steps }] : [];
        if (want.role === 'conditions')
          return conditionNames.has(name) ? [{ role: 'condition', name, steps }] : [];
        const index = want.role === 'values' ? channelIndex.get(name) : undefined;
        return index === undefined ? [] : [{ role: 'channel', index, steps }];
      });
    }

    function namesIn(wanted: readonly Want[]): string[] {
      const names = wanted.flatMap((want) => {
        if (want.steps[0] !== undefined) return [want.steps[0]];
        if (want.role === 'values') return [...channelIndex.keys()];
        return want.role === 'conditions' ? [...conditionNames] : [];
      });
      return [...new Set(names)];
    }

    function checkComplete({ holdsValues, values, offset }: Draft): void {
      if (!holdsValues) {
        const where = fields.values === '' ? 'the record' : `"${fields.values}"`;
        throw new DecodeError('missing_channel', `${where} must hold the values, by channel or as a list`);
      }
      if (schema.missingChannels === 'mask') return;
      for (let i = 0; i < channels.length; i++)
        if (Number.isNaN(values[offset + i])) missingValue(channels[i]!, schema);
    }

    return (bytes, at, message, batch, row, now) => {
      const cursor = createCursor(bytes, at);
      draft.key = fields.key === '' ? message.key?.toString() : undefined;
      draft.timestamp = fields.timestamp === '' ? message.timestamp : undefined;
      draft.conditions = Object.create(null) as Draft['conditions'];
      draft.values = batch.values;
      draft.offset = row * channels.length;
      draft.holdsValues = false;
      draft.values.fill(NaN, draft.offset, draft.offset + channels.length);
      read(cursor, draft);
      if (cursor.at !== bytes.length) throw damaged(`${bytes.length - cursor.at} are left over`);
      writeEnvelope(draft, batch, row, now);
      checkComplete(draft);
    };
  };
}

const isHere =
  (role: Want['role']) =>
  (want: Want): boolean =>
    want.role === role && want.steps.length === 0;

function compileUnion(branches: readonly Read[]): Read {
  return (cursor, draft) => {
    const branch = branches[readLong(cursor)];
    if (branch === undefined) throw damaged('a union has no such branch');
    branch(cursor, draft);
  };
}

function notANumber(channel: string, value: unknown): DecodeError {
  return new DecodeError('not_a_number', `channel "${channel}" must be a number, got ${describe(value)}`);
}

export const avro: CodecSpec = {
  doc: 'Avro in the Confluent wire format.',
  registered: true,
  create: ({ fields, schema, limits, readConditions, registry }) =>
    createFramedDecoder(
      schema,
      limits,
      registry(),
      createAvroCompiler(fields, schema, limits, readConditions),
    ),
};
