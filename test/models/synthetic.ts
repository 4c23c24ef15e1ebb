/** A small machine with two modes: four channels that belong together, and faults that can be put in. */
import { createCategoryTable, createConditionReader, type CategoryTable } from '../../src/domain/condition';
import { createRecordBatch, type RecordBatch, type RecordSchema } from '../../src/domain/record';
import type { WindowShape } from '../../src/domain/window';
import { createRandom } from '../../src/tensor';
import { createDatasetBuilder, type Dataset } from '../../src/training/dataset';
import type { TrainingOptions } from '../../src/training/options';
import { modelOptions } from './spec';
import { testEngine } from '../backend';

export const schema: RecordSchema = {
  channels: ['load', 'current', 'temperature', 'vibration'],
  missingChannels: 'mask',
  extraChannels: 'reject',
  conditions: [{ name: 'mode', kind: 'category', maxValues: 8, missing: 'unknown' }],
};

export const shape = { length: 4, channels: 4, conditions: 1 };

export const stepMs = 1000;

/** Records from one change of mode to the next. */
export const modeRecords = 50;

/** `disturb` may change the values of record i in place. */
export function createRecords(
  count: number,
  seed: number,
  table: CategoryTable = createCategoryTable(),
  disturb: (values: Float64Array, i: number) => void = () => undefined,
): { batch: RecordBatch; table: CategoryTable } {
  const random = createRandom(seed);
  const read = createConditionReader(schema.conditions, table);
  const batch = createRecordBatch(schema, count);
  for (let i = 0; i < count; i++) {
    const mode = Math.floor(i / modeRecords) % 2 === 0 ? 'idle' : 'busy';
    const load = (mode === 'busy' ? 5 : 1) + Math.sin(i / 7) + 0.1 * random.normal();
    const values = batch.values.subarray(i * 4, i * 4 + 4) as Float64Array;
    values.set([
      load,
      2 * load + 0.1 * random.normal(),
      40 + 3 * load + 0.3 * random.normal(),
      (mode === 'busy' ? 0.5 : 0.05) * Math.abs(random.normal()),
    ]);
    disturb(values, i);
    batch.keys[i] = 'pump-1';
    batch.timestamps[i] = Date.UTC(2026, 0, 1) + i * stepMs;
    read({ mode }, batch.conditions, i);
    batch.count++;
  }
  return { batch, table };
}

export function toDataset(batch: RecordBatch, of: WindowShape = shape): Dataset {
  const builder = createDatasetBuilder(of);
  builder.add(batch);
  return builder.build(of, {
    time: { ttlMs: 60_000, intervalMs: 0, gaps: 'ignore', padding: 'none' },
    exclude: [],
    maxExcludedShare: 0.5,
    limits: () => [],
  });
}

export function createDataset(count: number, seed: number): { dataset: Dataset; table: CategoryTable } {
  const { batch, table } = createRecords(count, seed);
  return { dataset: toDataset(batch), table };
}

export const options: TrainingOptions = {
  schema,
  signals: [],
  model: {
    ...modelOptions,
    latentDim: 3,
    hidden: [32],
    conditionDropout: 0.1,
  },
  seed: 1,
  epochs: 60,
  batchSize: 64,
  learningRate: 5e-3,
  patience: 60,
  minRecords: 100,
  calibrationShare: 0.3,
  acceptAfter: 1500,
  statistics: ['reconstruction', 'linear', 'newest', 'latent', 'llr', 'channel'],
  groupBy: '',
  ...testEngine,
  engine: 'test',
  settingsFingerprint: 'test',
};
