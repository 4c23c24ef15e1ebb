/**
 * What is remembered of partitions, in files, one for each partition of a topic:
 *
 *     <directory>/<detector>/partitions/<topic>-<partition>.state
 *
 * A file is eight bytes that say what it is, the SHA-256 of all that follows, the length of its header (64 bits), the
 * header (JSON), and the columns, each at a multiple of eight bytes; numbers are little-endian. It is written beside,
 * synced and renamed: whoever reads sees the old one or the new one, whole.
 */
import { createHash } from 'node:crypto';
import nodeFs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncDirectory, writeAtomically } from '../system/atomic-write';
import { errorCode, readRegularFile, type FileSystem } from '../system/file-system';
import { removeTemporaries } from '../system/temporary-names';

export type Column = Float64Array | Int32Array | Uint8Array;

/** A partition as it was behind one of its messages. */
export interface StoredState {
  /** Of the last message that is in it; −1 before the first one. */
  offset: bigint;
  /** Plain data; its numbers may be infinite, or none. */
  content: unknown;
  columns: Readonly<Record<string, Column>>;
}

export interface StateStore {
  /** What was saved last, or undefined. Rejects with an error that names the file when it cannot be used. */
  load(topic: string, partition: number): Promise<StoredState | undefined>;
  /** Resolves when the state is on the disk; what was there before is replaced. */
  save(topic: string, partition: number, state: StoredState): Promise<void>;
}

export interface StateStoreOptions {
  /** Holds one folder per detector, beside the model versions. */
  directory: string;
  detector: string;
  /** Unix ms. */
  clock?: () => number;
  fs?: FileSystem;
}

export function createStateStore({
  directory,
  detector,
  clock = Date.now,
  fs = nodeFs,
}: StateStoreOptions): StateStore {
  const folder = join(directory, detector, 'partitions');
  let prepared = false;

  function pathOf(topic: string, partition: number): string {
    // What Kafka allows, and nothing that leads elsewhere.
    if (!/^[A-Za-z0-9._-]{1,249}$/.test(topic))
      throw new Error(`state is kept by topic; not a name for one: ${JSON.stringify(topic)}`);
    return join(folder, `${topic}-${partition}.state`);
  }

  async function prepareFolder(): Promise<void> {
    if (prepared) return;
    if ((await fs.mkdir(folder, { recursive: true })) !== undefined) await syncDirectory(fs, dirname(folder));
    await removeTemporaries(fs, folder, clock());
    prepared = true;
  }

  return {
    async load(topic, partition) {
      const path = pathOf(topic, partition);
      let bytes: Uint8Array;
      try {
        bytes = await readRegularFile(fs, path, (size) => {
          if (size > maxBytes) throw new Error(`${path} has ${size} bytes, at most ${maxBytes} make sense`);
        });
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return undefined;
        throw error;
      }
      try {
        return decodeState(bytes);
      } catch (cause) {
        throw new Error(`${path} ${(cause as Error).message}`, { cause });
      }
    },
    async save(topic, partition, state) {
      const path = pathOf(topic, partition);
      const bytes = encodeState(state);
      await prepareFolder();
      await writeAtomically(path, bytes, { fs });
    },
  };
}

const magic = 'vaemonP\n';
const checksumBytes = 32;
const lengthAt = magic.length + checksumBytes;
const headerAt = lengthAt + 8;
/** Layout of the file; a reader refuses what it does not know. */
const schema = 2;
/** More than this no process could have held. */
const maxBytes = 2 ** 32;

const kinds = { f64: Float64Array, i32: Int32Array, u8: Uint8Array } as const;
type Kind = keyof typeof kinds;

interface Header {
  schema: number;
  offset: string;
  content: unknown;
  columns: readonly { name: string; kind: Kind; length: number }[];
}

const toEight = (length: number): number => (8 - (length % 8)) % 8;

function encodeState({ offset, content, columns }: StoredState): Uint8Array {
  const entries = Object.entries(columns);
  const header: Header = {
    schema,
    offset: String(offset),
    content,
    columns: entries.map(([name, column]) => ({ name, kind: kindOf(column), length: column.length })),
  };
  const text = Buffer.from(JSON.stringify(header, writeNumber));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const body = [
    length,
    text,
    Buffer.alloc(toEight(text.length)),
    ...entries.flatMap(([, column]) => [
      Buffer.from(column.buffer, column.byteOffset, column.byteLength),
      Buffer.alloc(toEight(column.byteLength)),
    ]),
  ];
  return Buffer.concat([Buffer.from(magic), checksum(body), ...body]);
}

/** JSON would make null of them. */
function writeNumber(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? { number: String(value) } : value;
}

function readNumber(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const [name, ...others] = Object.keys(value);
  return name === 'number' && others.length === 0 ? Number((value as { number: unknown }).number) : value;
}

function kindOf(column: Column): Kind {
  if (column instanceof Float64Array) return 'f64';
  return column instanceof Int32Array ? 'i32' : 'u8';
}

function checksum(parts: readonly Uint8Array[]): Buffer {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(part);
  return sum.digest();
}

/** @throws Error that says what is wrong, to be put behind the name of the file */
function decodeState(bytes: Uint8Array): StoredState {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (file.toString('latin1', 0, magic.length) !== magic) throw new Error('is no state of a partition');
  const body = file.subarray(lengthAt);
  if (body.length < 8 || !checksum([body]).equals(file.subarray(magic.length, lengthAt)))
    throw new Error('is damaged: its checksum is another');
  const headerEnd = headerAt + Number(file.readBigUInt64LE(lengthAt));
  const header = parseHeader(file.toString('utf8', headerAt, headerEnd));
  let at = headerEnd + toEight(headerEnd);
  const columns = header.columns.map(({ name, kind, length }): [string, Column] => {
    const end = at + length * kinds[kind].BYTES_PER_ELEMENT;
    if (end > file.length) throw new Error('is damaged: a column is cut off');
    // Copied, because a typed array must begin at a multiple of its element.
    const own = Uint8Array.from(file.subarray(at, end)).buffer;
    at = end + toEight(end);
    return [name, new kinds[kind](own)];
  });
  return {
    offset: BigInt(header.offset),
    content: header.content,
    columns: Object.fromEntries(columns),
  };
}

function parseHeader(text: string): Header {
  let given: Partial<Record<keyof Header, unknown>>;
  try {
    given = Object(JSON.parse(text, readNumber)) as typeof given;
  } catch (cause) {
    throw new Error('is damaged: its header is not JSON', { cause });
  }
  if (given.schema !== schema)
    throw new Error(`has the schema ${String(given.schema)}; this vaemon reads ${schema}`);
  const { offset, columns } = given;
  if (typeof offset !== 'string' || !/^(-1|\d{1,19})$/.test(offset))
    throw new Error(`has no offset (got ${JSON.stringify(offset)})`);
  if (!Array.isArray(columns) || !columns.every(isColumn)) throw new Error('has columns that are none');
  return given as Header;
}

function isColumn(value: unknown): boolean {
  const { name, kind, length } = Object(value) as Partial<Record<string, unknown>>;
  return (
    typeof name === 'string' &&
    typeof kind === 'string' &&
    Object.hasOwn(kinds, kind) &&
    Number.isSafeInteger(length) &&
    (length as number) >= 0
  );
}
