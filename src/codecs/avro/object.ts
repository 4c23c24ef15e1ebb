/** Reads whole Avro records as objects, to inspect unknown records; detectors read single fields (avro.ts). */
import type { RegisteredSchema } from '../confluent/schema-registry';
import { createCursor, damaged, eachItem, enter, readLong, readText, type Cursor } from './bytes';
import { parseAvroSchema, type AvroType } from './schema';
import { scalarReaderOf } from './values';

type Read = (cursor: Cursor) => unknown;

/**
 * Creates a reader of the records of a schema, which start at byte `at` of a message. It throws a DecodeError for a record that
 * does not match.
 * @throws DecodeError if the schema is not valid
 */
export function createAvroObjectReader({
  text,
  references,
}: RegisteredSchema): (bytes: Buffer, at: number) => unknown {
  const readers = new Map<AvroType, Read>();
  const read = readerOf(parseAvroSchema(text, references));
  return (bytes, at) => read(createCursor(bytes, at));

  function readerOf(type: AvroType): Read {
    const known = readers.get(type);
    if (known !== undefined) return known;
    // A record may contain its own type.
    readers.set(type, (cursor) => reader(cursor));
    const reader = createReader(type);
    readers.set(type, reader);
    return reader;
  }

  function createReader(type: AvroType): Read {
    switch (type.kind) {
      case 'record': {
        const fields = type.fields.map(({ name, type: inner }) => [name, readerOf(inner)] as const);
        return (cursor) => {
          enter(cursor, fields.length);
          const record = Object.fromEntries(fields.map(([name, readField]) => [name, readField(cursor)]));
          cursor.depth--;
          return record;
        };
      }
      case 'union': {
        const branches = type.branches.map(readerOf);
        return (cursor) => {
          const branch = branches[readLong(cursor)];
          if (branch === undefined) throw damaged('a union has no branch with this index');
          return branch(cursor);
        };
      }
      case 'array': {
        const item = readerOf(type.items);
        return (cursor) => {
          const items: unknown[] = [];
          eachItem(cursor, () => void items.push(item(cursor)));
          return items;
        };
      }
      case 'map': {
        const value = readerOf(type.values);
        return (cursor) => {
          const entries: [string, unknown][] = [];
          eachItem(cursor, () => void entries.push([readText(cursor), value(cursor)]));
          return Object.fromEntries(entries);
        };
      }
      default:
        return scalarReaderOf(type);
    }
  }
}
