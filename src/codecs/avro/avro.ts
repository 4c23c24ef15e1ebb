/**
 * Avro records. The writer's schema is compiled once into a function that writes the fields that the detector needs into the
 * columns of the batch and skips the others, so no object is created per record.
 */
import { givenConditions, type RecordSchema, type Values } from '../../domain/record';
import { DecodeError } from '../../errors';
import type { RegisteredSchema } from '../confluent/schema-registry';
import { createCursor, damaged, eachItem, readLong, readText, step, type Cursor } from './bytes';
import { parseAvroSchema, type AvroType, type RecordType } from './schema';
import { createSkip, numberReaderOf, scalarReaderOf, timeUnitOf, type Skip } from './values';
import type { CodecSpec, RecordContext } from '../codec';
import { createWireFormatDecoder, type SchemaReader } from '../confluent/wire-format';
import { createEnvelopeWriter, messageKey, stepsOf, type Envelope } from '../envelope';
import { checkCount, checkNumber, missingValue, notANumber, parseValue, unknownChannel } from '../values';

/** The parts of a record that have been read so far. */
interface Draft {
  key: unknown;
  timestamp: unknown;
  /** Unit of the timestamp; absent = `fields.timestampFormat`. */
  unit: Envelope['unit'];
  conditions: Record<string, unknown>;
  /** Values of the record; NaN = not read. */
  values: Values;
  /** Start of the row in `values`. */
  offset: number;
  /** Whether the record has a container of values. */
  holdsValues: boolean;
}

/** Reads a value and stores it in the draft. */
type Read = (cursor: Cursor, draft: Draft) => void;

/** A part that the detector needs: its role, and the remaining path to it. */
type Want = { steps: readonly string[] } & (
  | { role: 'key' | 'timestamp' | 'values' | 'conditions' }
  | { role: 'channel'; index: number }
  | { role: 'condition'; name: string }
);

/** Creates readers for records of Avro schemas; throws a DecodeError for an unusable schema. */
export function createAvroCompiler(context: RecordContext): (schema: RegisteredSchema) => SchemaReader {
  const { fields, schema } = context;
  const { channels } = schema;
  const writeEnvelope = createEnvelopeWriter(fields.key, context);
  const wants: Want[] = [
    ...(fields.key === '' ? [] : [{ role: 'key', steps: stepsOf(fields.key) } as const]),
    ...(fields.timestamp === '' ? [] : [{ role: 'timestamp', steps: stepsOf(fields.timestamp) } as const]),
    { role: 'values', steps: stepsOf(fields.values) },
    { role: 'conditions', steps: stepsOf(fields.conditions) },
  ];

  return ({ type: schemaType, text, references }) => {
    if (schemaType !== 'AVRO')
      throw new DecodeError('unusable_schema', `not an Avro schema: its type is ${schemaType.slice(0, 40)}`);
    const read = new AvroReaderCompiler(schema).compile(parseAvroSchema(text, references), wants);
    const draft: Draft = {
      key: undefined,
      timestamp: undefined,
      unit: undefined,
      conditions: {},
      values: new Float64Array(),
      offset: 0,
      holdsValues: false,
    };

    const readRecord: SchemaReader['read'] = (bytes, at, message, batch, row, now) => {
      const cursor = createCursor(bytes, at);
      draft.key = fields.key === '' ? messageKey(message) : undefined;
      draft.timestamp = fields.timestamp === '' ? message.timestamp : undefined;
      draft.unit = fields.timestamp === '' ? 'message' : undefined;
      draft.conditions = Object.create(null) as Draft['conditions'];
      draft.values = batch.values;
      draft.offset = row * channels.length;
      draft.holdsValues = false;
      draft.values.fill(NaN, draft.offset, draft.offset + channels.length);
      read(cursor, draft);
      if (cursor.at !== bytes.length)
        throw damaged(`${bytes.length - cursor.at} bytes remain after the record`);
      writeEnvelope(draft, batch, row, now);
      checkComplete(draft, fields.values, schema);
    };
    return { read: readRecord };
  };
}

/** @throws DecodeError if the record has no values, or lacks a required one */
function checkComplete(
  { holdsValues, values, offset }: Draft,
  valuesField: string,
  schema: RecordSchema,
): void {
  if (!holdsValues) {
    const where = valuesField === '' ? 'the record' : `"${valuesField}"`;
    throw new DecodeError('missing_channel', `${where} must contain the values, by channel or as a list`);
  }
  if (schema.missingChannels === 'mask') return;
  for (let i = 0; i < schema.channels.length; i++)
    if (Number.isNaN(values[offset + i])) missingValue(schema.channels[i]!, schema);
}

/** Compiles a type of a schema to the function that reads its values. */
class AvroReaderCompiler {
  private readonly channelIndex: ReadonlyMap<string, number>;
  private readonly conditionNames: ReadonlySet<string>;
  private readonly skips = new Map<AvroType, Skip>();

  constructor(private readonly schema: RecordSchema) {
    this.channelIndex = new Map(schema.channels.map((channel, i) => [channel, i]));
    this.conditionNames = new Set(givenConditions(schema.conditions).map(({ name }) => name));
  }

  compile(of: AvroType, wanted: readonly Want[]): Read {
    if (wanted.length === 0) return this.skipOf(of);
    switch (of.kind) {
      case 'union':
        return compileUnion(of.branches.map((branch) => this.compile(branch, wanted)));
      case 'record':
        return this.compileRecord(of, wanted);
      case 'map':
        return this.compileMap(of.values, wanted);
      case 'array':
        return this.compileArray(of, wanted);
      default:
        return this.compileScalar(of, wanted);
    }
  }

  private skipOf(of: AvroType): Skip {
    const known = this.skips.get(of);
    if (known !== undefined) return known;
    // A recursive record finds this function while its own is being created.
    let skip: Skip = () => undefined;
    this.skips.set(of, (cursor) => skip(cursor));
    skip = createSkip(of, (part) => this.skipOf(part));
    return skip;
  }

  private compileRecord(of: RecordType, wanted: readonly Want[]): Read {
    const parts = of.fields.map(({ name, type: inner }) => this.compileNamed(name, inner, wanted));
    const receive = this.receiverOf(wanted);
    return (cursor, into) => {
      step(cursor, 1 + parts.length);
      receive(into);
      for (const part of parts) part(cursor, into);
    };
  }

  /** Reader of a named part of a record or map. */
  private compileNamed(name: string, inner: AvroType, wanted: readonly Want[]): Read {
    const here = this.descend(wanted, name);
    const isExtra = here.length === 0 && wanted.some(areValuesHere) && this.schema.extraChannels === 'reject';
    if (!isExtra) return this.compile(inner, here);
    return () => {
      throw unknownChannel(name);
    };
  }

  private compileMap(inner: AvroType, wanted: readonly Want[]): Read {
    const receive = this.receiverOf(wanted);
    const byName = new Map(
      this.namesIn(wanted).map((name) => [name, this.compileNamed(name, inner, wanted)]),
    );
    const isStrict = wanted.some(areValuesHere) && this.schema.extraChannels === 'reject';
    const skip = this.skipOf(inner);
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

  /** An array can only be the values, in the order of the channels. */
  private compileArray(of: AvroType & { kind: 'array' }, wanted: readonly Want[]): Read {
    const receive = this.receiverOf(wanted);
    if (!wanted.some(areValuesHere)) {
      const skip = this.skipOf(of);
      return (cursor, into) => {
        receive(into);
        skip(cursor);
      };
    }
    const items = this.schema.channels.map((_, index) =>
      this.compile(of.items, [{ role: 'channel', index, steps: [] }]),
    );
    const skip = this.skipOf(of.items);
    return (cursor, into) => {
      receive(into);
      const count = eachItem(cursor, (index) => (items[index] ?? skip)(cursor, into));
      checkCount(count, this.schema);
    };
  }

  private compileScalar(of: AvroType, wanted: readonly Want[]): Read {
    const here = wanted.filter(({ steps }) => steps.length === 0);
    if (here.length === 0) return this.skipOf(of);
    const [only] = here;
    const readNumber = numberReaderOf(of);
    if (here.length === 1 && only?.role === 'channel' && readNumber !== undefined) {
      const { index } = only;
      const { schema } = this;
      const channel = schema.channels[index]!;
      return (cursor, into) => {
        into.values[into.offset + index] = checkNumber(readNumber(cursor), channel, schema);
      };
    }
    const readScalar = scalarReaderOf(of);
    const receivers = here.map((want) => this.scalarReceiver(of, want));
    return (cursor, into) => {
      const value = readScalar(cursor);
      for (const receive of receivers) receive(value, into);
    };
  }

  private scalarReceiver(of: AvroType, want: Want): (value: unknown, into: Draft) => void {
    switch (want.role) {
      case 'key':
        return (value, into) => (into.key = value);
      case 'timestamp':
        return (value, into) => {
          into.timestamp = value;
          into.unit = value === null ? undefined : timeUnitOf(of);
        };
      case 'condition':
        return (value, into) => (into.conditions[want.name] = value);
      case 'channel':
        return (value, into) => {
          if (value === null) return;
          const number = of.kind === 'long' ? Number(value) : value;
          const channel = this.schema.channels[want.index]!;
          into.values[into.offset + want.index] = parseValue(number, channel, this.schema);
        };
      default:
        // A scalar contains neither values nor conditions.
        return () => undefined;
    }
  }

  /** Handles a record, map or array at a place where a part is expected. */
  private receiverOf(wanted: readonly Want[]): (into: Draft) => void {
    const here = wanted.filter(({ steps }) => steps.length === 0);
    return (into) => {
      for (const want of here) {
        if (want.role === 'values') into.holdsValues = true;
        else if (want.role === 'channel') throw notANumber(this.schema.channels[want.index]!, {});
        else if (want.role === 'condition') into.conditions[want.name] = {};
        else if (want.role !== 'conditions') into[want.role] = {};
      }
    };
  }

  /** The wanted parts inside the part with this name. */
  private descend(wanted: readonly Want[], name: string): Want[] {
    return wanted.flatMap((want): Want[] => {
      const [first, ...steps] = want.steps;
      if (first !== undefined) return first === name ? [{ ...want, steps }] : [];
      if (want.role === 'conditions')
        return this.conditionNames.has(name) ? [{ role: 'condition', name, steps }] : [];
      const index = want.role === 'values' ? this.channelIndex.get(name) : undefined;
      return index === undefined ? [] : [{ role: 'channel', index, steps }];
    });
  }

  private namesIn(wanted: readonly Want[]): string[] {
    const names = wanted.flatMap((want) => {
      if (want.steps[0] !== undefined) return [want.steps[0]];
      if (want.role === 'values') return [...this.channelIndex.keys()];
      return want.role === 'conditions' ? [...this.conditionNames] : [];
    });
    return [...new Set(names)];
  }
}

/** Whether the values of the channels are expected at this place. */
function areValuesHere({ role, steps }: Want): boolean {
  return role === 'values' && steps.length === 0;
}

function compileUnion(branches: readonly Read[]): Read {
  return (cursor, draft) => {
    const branch = branches[readLong(cursor)];
    if (branch === undefined) throw damaged('a union has no branch with this index');
    branch(cursor, draft);
  };
}

export const avro: CodecSpec = {
  doc: 'Avro in the Confluent wire format.',
  registered: true,
  create: (context) => createWireFormatDecoder(context, createAvroCompiler),
};
