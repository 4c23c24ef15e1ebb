/**
 * State of partitions in files, one per partition of a topic:
 *
 *     <directory>/<detector>/<folder>/<topic>-<partition>.state
 *
 * A file is in the safetensors format: one tensor per column, and the JSON of the content as the tensor `content.json`. The
 * metadata start with `sha256`, the checksum of all other bytes of the file. Files are replaced in one atomic step.
 */
import { createHash } from 'node:crypto';
import nodeFs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { privateFolder, syncDirectory, writeAtomically } from '../system/atomic-write';
import {
  entriesOf,
  errorCode,
  readRegularFile,
  readStart,
  unlessMissing,
  type FileSystem,
} from '../system/file-system';
import { removeTemporaries } from '../system/temporary-names';
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from '../tensor/safetensors';

export type Column = Float64Array | Int32Array | Uint8Array;

/** State of a partition after one of its messages. */
export interface StoredState {
  /** Offset of the last message that the state includes; −1 = none. */
  offset: bigint;
  /** JSON data; numbers may be infinite or NaN. */
  content: unknown;
  columns: Readonly<Record<string, Column>>;
}

/** Store for the states of partitions. */
export type PartitionStore = Pick<ReturnType<typeof createStateStore>, 'load' | 'save' | 'checksum'>;

interface StateStoreOptions {
  /** Folder of the store. It has one folder per detector, with its model versions. */
  directory: string;
  detector: string;
  /** Default `partitions`. */
  folder?: string;
  fs?: FileSystem;
}

export function createStateStore(options: StateStoreOptions) {
  const { directory, detector, fs = nodeFs } = options;
  const folder = join(directory, detector, options.folder ?? 'partitions');
  let prepared = false;

  function pathOf(topic: string, partition: number): string {
    // Names that Kafka allows; none of them leads to another folder.
    if (!/^[A-Za-z0-9._-]{1,249}$/.test(topic))
      throw new Error(`not a valid topic name: ${JSON.stringify(topic)}`);
    return join(folder, `${topic}-${partition}.state`);
  }

  async function prepareFolder(): Promise<void> {
    if (prepared) return;
    if ((await fs.mkdir(folder, { recursive: true, mode: privateFolder })) !== undefined)
      await syncDirectory(fs, dirname(folder));
    await removeTemporaries(fs, folder, Date.now());
    prepared = true;
  }

  return {
    /** The file of a partition. */
    pathOf,
    /** The partitions with a saved state. */
    async list(): Promise<{ topic: string; partition: number }[]> {
      const names = (await entriesOf(fs, folder)).map(({ name }) => /^([^.].*)-(\d+)\.state$/.exec(name));
      return names.flatMap((match) => (match ? [{ topic: match[1]!, partition: Number(match[2]) }] : []));
    },
    /** The state that was saved last, if any. Rejects with an error that contains the name of an unusable file. */
    async load(topic: string, partition: number): Promise<StoredState | undefined> {
      const path = pathOf(topic, partition);
      let bytes: Uint8Array;
      try {
        bytes = await readRegularFile(fs, path, (size) => {
          if (size > maxBytes)
            throw new Error(`${path} has ${size} bytes, more than the limit of ${maxBytes}`);
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
    /** Replaces the saved state. Resolves to its checksum when it is on the disk. */
    async save(topic: string, partition: number, state: StoredState): Promise<string> {
      const path = pathOf(topic, partition);
      const bytes = encodeState(state);
      await prepareFolder();
      await writeAtomically(path, bytes, { fs });
      return storedChecksum(bytes);
    },
    /** Checksum of the saved state, read from the beginning of the file without verification; undefined if there is none. */
    async checksum(topic: string, partition: number): Promise<string | undefined> {
      const start = await unlessMissing(readStart(fs, pathOf(topic, partition), checksumEnd));
      return start && storedChecksum(start);
    },
  };
}

/** Layout of the file; other layouts are rejected. */
const schema = '2';
/** Larger than the state of any process can be. */
const maxBytes = 2 ** 32;

const contentName = 'content.json';

/** Start of a file after the 8 bytes that contain the length of the header; the checksum follows. */
const prefix = '{"__metadata__":{"sha256":"';
const checksumAt = 8 + prefix.length;
const checksumEnd = checksumAt + 64;

function encodeState({ offset, content, columns }: StoredState): Uint8Array {
  const text = Buffer.from(JSON.stringify(content, writeNumber));
  const tensors = Object.entries({ ...columns, [contentName]: text }).map(
    ([name, column]): [string, StoredTensor] => [name, tensorOf(column)],
  );
  const bytes = encodeSafetensors(new Map(tensors), {
    sha256: '0'.repeat(64),
    schema,
    offset: String(offset),
  });
  bytes.set(Buffer.from(checksumOf(bytes)), checksumAt);
  return bytes;
}

function tensorOf(data: Column): StoredTensor {
  const shape = [data.length];
  if (data instanceof Float64Array) return { dtype: 'F64', shape, data };
  return data instanceof Int32Array ? { dtype: 'I32', shape, data } : { dtype: 'U8', shape, data };
}

/** Replaces NaN and infinite numbers, which JSON does not have. */
function writeNumber(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? { number: String(value) } : value;
}

function readNumber(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const [name, ...others] = Object.keys(value);
  return name === 'number' && others.length === 0 ? Number((value as { number: unknown }).number) : value;
}

/** SHA-256 of all bytes except those of the checksum itself, in hexadecimal. */
function checksumOf(bytes: Uint8Array): string {
  const hash = createHash('sha256').update(bytes.subarray(0, checksumAt));
  return hash.update(bytes.subarray(checksumEnd)).digest('hex');
}

/** The checksum at the beginning of a file. */
function storedChecksum(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(checksumAt, checksumEnd)).toString('latin1');
}

/** @throws Error whose message completes a sentence that begins with the name of the file */
function decodeState(bytes: Uint8Array): StoredState {
  const text = (from: number, to: number): string => Buffer.from(bytes.subarray(from, to)).toString('latin1');
  if (text(8, checksumAt) !== prefix) throw new Error('is not a partition state, or has an older layout');
  if (storedChecksum(bytes) !== checksumOf(bytes)) throw new Error('is damaged: its checksum does not match');
  const { tensors, metadata } = decodeSafetensors(bytes);
  if (metadata['schema'] !== schema)
    throw new Error(`has the schema ${metadata['schema']}; this version of vaemon reads ${schema}`);
  const { offset = '' } = metadata;
  if (!/^(-1|\d{1,19})$/.test(offset)) throw new Error(`has no valid offset (got ${JSON.stringify(offset)})`);
  const { [contentName]: content, ...columns } = Object.fromEntries(
    [...tensors].map(([name, { data }]) => [name, data as Column]),
  );
  if (!(content instanceof Uint8Array)) throw new Error(`has no ${contentName}`);
  return {
    offset: BigInt(offset),
    content: JSON.parse(Buffer.from(content).toString(), readNumber),
    columns,
  };
}
