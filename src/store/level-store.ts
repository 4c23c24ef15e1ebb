/**
 * Levels of devices in files, one for each partition of a topic:
 *
 *     <directory>/<detector>/levels/<topic>-<partition>.json
 *
 * A file is written beside, synced and renamed: whoever reads sees the old one or the new one, whole.
 */
import nodeFs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  errorCode,
  readRegularFile,
  renameSynced,
  syncDirectory,
  writeSynced,
  type FileSystem,
} from './durable';
import { incomingName, removeLeftovers } from './leftover';

/** The levels of a partition's devices, as they were behind one of its messages. */
export interface StoredLevels {
  /** Model version that they are of. */
  version: string;
  /** Of the last message that they have taken in; −1 before the first one. */
  offset: bigint;
  /** By device, the least recently seen first: records seen, and a sample for each statistic. */
  devices: readonly (readonly [
    key: string,
    state: { seen: number; samples: readonly (readonly number[])[] },
  ])[];
}

export interface LevelStore {
  /** What was saved last, or undefined. Rejects with an error that names the file when it cannot be used. */
  load(topic: string, partition: number): Promise<StoredLevels | undefined>;
  /** Resolves when the levels are on the disk; what was there before is replaced. */
  save(topic: string, partition: number, levels: StoredLevels): Promise<void>;
}

export interface LevelStoreOptions {
  /** Holds one folder per detector, beside the model versions. */
  directory: string;
  detector: string;
  /** Unix ms. */
  clock?: () => number;
  fs?: FileSystem;
}

/** Layout of the file; a reader refuses what it does not know. */
const schema = 1;

/** A longer file does not fit into a string. */
const maxBytes = 2 ** 29 - 1024;

export function createLevelStore({
  directory,
  detector,
  clock = Date.now,
  fs = nodeFs,
}: LevelStoreOptions): LevelStore {
  const folder = join(directory, detector, 'levels');
  let prepared = false;

  function pathOf(topic: string, partition: number): string {
    // What Kafka allows, and nothing that leads elsewhere.
    if (!/^[A-Za-z0-9._-]{1,249}$/.test(topic))
      throw new Error(`levels are kept by topic; not a name for one: ${JSON.stringify(topic)}`);
    return join(folder, `${topic}-${partition}.json`);
  }

  async function prepareFolder(): Promise<void> {
    if (prepared) return;
    if ((await fs.mkdir(folder, { recursive: true })) !== undefined) await syncDirectory(fs, dirname(folder));
    await removeLeftovers(fs, folder, clock());
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
      return parseLevels(new TextDecoder().decode(bytes), path);
    },
    async save(topic, partition, { version, offset, devices }) {
      const path = pathOf(topic, partition);
      await prepareFolder();
      const incoming = join(folder, incomingName('levels'));
      try {
        await writeSynced(fs, incoming, JSON.stringify({ schema, version, offset: String(offset), devices }));
        await renameSynced(fs, incoming, path);
      } catch (error) {
        await fs.rm(incoming, { force: true }).catch(() => undefined);
        throw error;
      }
    },
  };
}

function parseLevels(text: string, path: string): StoredLevels {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw new Error(`${path} is not JSON`, { cause });
  }
  const given = (isObject(content) ? content : {}) as Partial<Record<string, unknown>>;
  if (given['schema'] !== schema)
    throw new Error(`${path} has the schema ${String(given['schema'])}; this vaemon reads ${schema}`);
  const { version, offset, devices } = given;
  if (typeof version !== 'string') throw new Error(`${path} names no model version`);
  if (typeof offset !== 'string' || !/^(-1|\d{1,19})$/.test(offset))
    throw new Error(`${path} has no offset (got ${JSON.stringify(offset)})`);
  if (!Array.isArray(devices) || !devices.every(isDevice))
    throw new Error(`${path} has devices that are none`);
  return { version, offset: BigInt(offset), devices: devices as StoredLevels['devices'] };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isDevice(value: unknown): boolean {
  if (!Array.isArray(value) || value.length !== 2 || typeof value[0] !== 'string') return false;
  const { seen, samples } = (isObject(value[1]) ? value[1] : {}) as { seen?: unknown; samples?: unknown };
  return (
    Number.isSafeInteger(seen) &&
    (seen as number) >= 0 &&
    Array.isArray(samples) &&
    samples.every((sample) => Array.isArray(sample) && sample.every((one) => Number.isFinite(one)))
  );
}
