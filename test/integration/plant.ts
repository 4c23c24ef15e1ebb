/** A small plant for tests of the whole daemon: a configuration that trains in seconds, and pumps to feed it. */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createRecords, schema, stepMs } from '../models/synthetic';

export const windowLength = 5;

const detectorFile = `
detector: plant
source:
  kind: file
record:
  channels: [load, current, temperature, vibration]
  conditions:
    mode: { kind: category, missing: unknown }
window:
  length: ${windowLength}
model:
  latentDim: 3
  hidden: [16]
training:
  schedule: ''
  jitter: 0s
  epochs: 8
  batchSize: 64
  learningRate: 0.005
  minRecords: 300
  quarantine: 10s
  # Most tests are of what happens at a swap.
  challenger: { enabled: false }
calibration:
  falseAlarmTarget: 0.01
`;

export interface PlantRecord {
  key: string;
  /** Unix ms. */
  timestamp: number;
  values: Record<string, number>;
  conditions: { mode: string };
}

/** The records of one pump, a second apart; the values are the same for the same seed. */
export function createPump(
  key: string,
  options: {
    seed: number;
    count: number;
    start: number;
    disturb?: (values: Float64Array, i: number) => void;
  },
): PlantRecord[] {
  const { batch, table } = createRecords(options.count, options.seed, undefined, options.disturb);
  return Array.from({ length: batch.count }, (_, i) => ({
    key,
    timestamp: options.start + i * stepMs,
    values: Object.fromEntries(schema.channels.map((channel, j) => [channel, batch.values[i * 4 + j]!])),
    conditions: { mode: table.value(batch.conditions[i]!)! },
  }));
}

/** Records of a device that are created together. */
const chunkRecords = 400;
/** Period of faults, in records of a device. */
const faultEvery = 80;
/** Faulty records in each period. */
const faultRecords = 6;

/** A device without an end: returns its next record, one second after the previous one. */
export function createDevice(
  key: string,
  options: { seed: number; start: number; faults: boolean },
): () => PlantRecord {
  const { seed, start, faults } = options;
  let records: PlantRecord[] = [];
  let made = 0;
  return () => {
    if (records.length === 0) {
      records = createPump(key, {
        seed: seed + 100_000 * made,
        count: chunkRecords,
        start: start + made * stepMs,
        disturb(values, i) {
          if (faults && i % faultEvery >= faultEvery - faultRecords) values[2]! += 25;
        },
      });
      made += chunkRecords;
    }
    return records.shift()!;
  };
}

/** `key,timestamp,mode,…channels`, for `source.file.columns.conditions=mode`. */
export function toCsv(records: readonly PlantRecord[]): string {
  const rows = records.map(({ key, timestamp, values, conditions }) =>
    [
      key,
      new Date(timestamp).toISOString(),
      conditions.mode,
      ...schema.channels.map((channel) => values[channel]),
    ].join(','),
  );
  return [['key', 'timestamp', 'mode', ...schema.channels].join(','), ...rows, ''].join('\n');
}

const folders: string[] = [];

/** A new folder under the system's temporary one; `removeFolders` clears all of them. */
export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'vaemon-daemon-'));
  folders.push(folder);
  return folder;
}

export async function removeFolders(): Promise<void> {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
}

/** A folder with the plant's configuration; what else a test needs it sets by argument. */
export async function writeConfig(): Promise<string> {
  const folder = await newFolder();
  await mkdir(path.join(folder, 'detectors'));
  await writeFile(path.join(folder, 'detectors', 'plant.yaml'), detectorFile);
  return folder;
}

/** A copy of a model store, for a daemon that shall find a model. */
export async function copyStore(store: string): Promise<string> {
  const copy = await newFolder();
  await cp(store, copy, { recursive: true });
  return copy;
}
