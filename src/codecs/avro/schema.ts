/** Parser of Avro schemas (specification 1.12). */
import { DecodeError } from '../../errors';
import { isObject } from '../../system/json';
import { describe } from '../envelope';

export type AvroType = PrimitiveType | FixedType | EnumType | ArrayType | MapType | UnionType | RecordType;

interface PrimitiveType extends Annotated {
  kind: 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'bytes' | 'string';
}
interface FixedType extends Annotated {
  kind: 'fixed';
  /** Size in bytes. */
  size: number;
}
interface EnumType {
  kind: 'enum';
  symbols: readonly string[];
}
interface ArrayType {
  kind: 'array';
  items: AvroType;
}
interface MapType {
  kind: 'map';
  values: AvroType;
}
interface UnionType {
  kind: 'union';
  branches: readonly AvroType[];
}
export interface RecordType {
  kind: 'record';
  /** Filled after the record is declared, because it may contain its own type. */
  fields: { name: string; type: AvroType }[];
}

/** Logical type of a number or bytes. */
interface Annotated {
  /** `logicalType` of the schema. */
  logicalType?: string | undefined;
  /** Digits after the decimal point, for a decimal. */
  scale?: number;
}

/** A schema with declared names that another schema refers to. */
export interface AvroReference {
  text: string;
}

const primitives = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'] as const;

/** Limit for nested types. */
const maxDepth = 64;

/**
 * The type of the records of a schema.
 * @param references the schemas that it refers to, each before the schemas that refer to it
 * @throws DecodeError if it is not a valid Avro schema
 */
export function parseAvroSchema(text: string, references: readonly AvroReference[] = []): AvroType {
  const named = new Map<string, AvroType>();
  for (const reference of references) parse(parseJson(reference.text), '', 0);
  return parse(parseJson(text), '', 0);

  function parse(schema: unknown, namespace: string, depth: number): AvroType {
    if (depth > maxDepth) throw unusable(`types are nested more than ${maxDepth} deep`);
    if (typeof schema === 'string') return byName(schema, namespace);
    if (Array.isArray(schema)) {
      const branches = schema.map((branch) => parse(branch, namespace, depth + 1));
      if (branches.some(({ kind }) => kind === 'union')) throw unusable('a union directly contains a union');
      return { kind: 'union', branches };
    }
    if (!isObject(schema)) throw unusable(`${describe(schema)} is not a type`);
    const { type } = schema;
    if (type === 'array') return { kind: 'array', items: parse(schema['items'], namespace, depth + 1) };
    if (type === 'map') return { kind: 'map', values: parse(schema['values'], namespace, depth + 1) };
    if (type === 'record' || type === 'error') return parseRecord(schema, namespace, depth);
    if (type === 'enum') return declare(schema, namespace, { kind: 'enum', symbols: symbolsOf(schema) });
    if (type === 'fixed')
      return declare(schema, namespace, { kind: 'fixed', size: sizeOf(schema), ...annotations(schema) });
    const inner = parse(type, namespace, depth + 1);
    return isPrimitive(inner) ? { ...inner, ...annotations(schema) } : inner;
  }

  function byName(name: string, namespace: string): AvroType {
    const primitive = primitives.find((one) => one === name);
    if (primitive !== undefined) return { kind: primitive };
    const type = (namespace === '' ? undefined : named.get(`${namespace}.${name}`)) ?? named.get(name);
    if (type === undefined) throw unusable(`${describe(name)} is not declared`);
    return type;
  }

  function declare<T extends AvroType>(schema: object, namespace: string, type: T): T {
    const name = fullName(schema, namespace);
    if (named.has(name)) throw unusable(`${describe(name)} is declared twice`);
    named.set(name, type);
    return type;
  }

  function parseRecord(schema: object, namespace: string, depth: number): RecordType {
    const { fields } = schema as { fields?: unknown };
    if (!Array.isArray(fields)) throw unusable('a record has no list of fields');
    const record = declare<RecordType>(schema, namespace, { kind: 'record', fields: [] });
    const name = fullName(schema, namespace);
    const inside = name.slice(0, Math.max(0, name.lastIndexOf('.')));
    for (const field of fields as unknown[]) {
      if (!isObject(field) || typeof field['name'] !== 'string')
        throw unusable('a field of a record has no name');
      record.fields.push({ name: field['name'], type: parse(field['type'], inside, depth + 1) });
    }
    return record;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A schema may be the bare name of a type.
    return text;
  }
}

function fullName(schema: object, inherited: string): string {
  const { name, namespace } = schema as { name?: unknown; namespace?: unknown };
  if (typeof name !== 'string' || name === '') throw unusable('a named type has no name');
  if (name.includes('.')) return name;
  const space = typeof namespace === 'string' ? namespace : inherited;
  return space === '' ? name : `${space}.${name}`;
}

function symbolsOf({ symbols }: { symbols?: unknown }): readonly string[] {
  if (!Array.isArray(symbols) || !symbols.every((one) => typeof one === 'string'))
    throw unusable('an enum has no list of symbols');
  return symbols;
}

function sizeOf({ size }: { size?: unknown }): number {
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw unusable(`the size of a fixed type must be a whole number, got ${describe(size)}`);
  return size;
}

function annotations({ logicalType, scale }: { logicalType?: unknown; scale?: unknown }): Annotated {
  return {
    logicalType: typeof logicalType === 'string' ? logicalType : undefined,
    scale: typeof scale === 'number' && Number.isInteger(scale) && Math.abs(scale) <= 100 ? scale : 0,
  };
}

function isPrimitive(type: AvroType): type is PrimitiveType {
  return primitives.some((one) => one === type.kind);
}

function unusable(what: string): DecodeError {
  return new DecodeError('unusable_schema', `not a valid Avro schema: ${what}`);
}
