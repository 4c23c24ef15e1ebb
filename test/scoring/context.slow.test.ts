/** A plant in which a temperature follows the load with a lag longer than a window: trained, stored, loaded, stopped and continued. */
import type { MemorySnapshot } from '../../src/calibration/memory';
import { createCategoryTable } from '../../src/domain/condition';
import { createRecordBatch, type RecordSchema } from '../../src/domain/record';
import { createLimitCheck } from '../../src/domain/signal';
import { clearWindows, createWindowBatch, windowShape } from '../../src/domain/window';
import { createWindowStore } from '../../src/domain/window-store';
import { disposeModel } from '../../src/models/model';
import { decodeBundle, encodeBundle } from '../../src/scoring/bundle';
import type { Detector } from '../../src/scoring/detector';
import { createRandom } from '../../src/tensor';
import { createDatasetBuilder } from '../../src/training/dataset';
import { train } from '../../src/training/train';
import { openTestBackend, testEngine } from '../backend';
import { modelOptions } from '../models/spec';

const names = ['load', 'temperature', 'pressure'];
const schema: RecordSchema = {
  channels: names,
  missingChannels: 'reject',
  extraChannels: 'reject',
  conditions: [],
};
const length = 5;
const shape = windowShape(schema, length);
const time = { ttlMs: Infinity, intervalMs: 0, gaps: 'ignore', padding: 'none' } as const;
const table = createCategoryTable();
const key = 'compressor';
const timesOf = (count: number): Float64Array => Float64Array.from({ length: count }, (_, i) => 1000 * i);

/** @param fault added to the temperature, in kelvins, from record 1,500 on */
function plant(seed: number, count: number, fault = 0): Float64Array {
  const random = createRandom(seed);
  const values = new Float64Array(count * names.length);
  let [load, warmth] = [50, 50];
  for (let i = 0; i < count; i++) {
    if (i % 120 === 0) load = 20 + 60 * random.uniform();
    warmth += (load - warmth) / 60;
    const row = [load + random.normal(), 30 + 0.5 * warmth + 0.2 * random.normal(), random.normal()];
    if (i >= 1500) row[1]! += fault;
    values.set(row, i * names.length);
  }
  return values;
}

let detector: Detector;

beforeAll(async () => {
  await openTestBackend('wasm');
  const count = 6000;
  const values = plant(1, count);
  const records = createRecordBatch(schema, count);
  records.values.set(values);
  records.timestamps.set(timesOf(count));
  records.keys.fill(key);
  records.count = count;
  const builder = createDatasetBuilder(shape);
  builder.add(records);
  const limits = createLimitCheck(names, []);
  const dataset = builder.build(shape, { time, exclude: [], maxExcludedShare: 0.5, limits });
  const trained = await train(dataset, table, {
    schema,
    signals: [],
    model: { ...modelOptions, kind: 'vae', hidden: [16], latentDim: 3, conditionDropout: 0 },
    seed: 2,
    epochs: 10,
    batchSize: 64,
    learningRate: 0.005,
    patience: 10,
    minRecords: 100,
    calibrationShare: 0.3,
    acceptAfter: 1500,
    // Without what a model of windows sees.
    statistics: ['linear'],
    groupBy: '',
    ...testEngine,
    engine: 'wasm',
    settingsFingerprint: '',
  });
  const golden = createWindowBatch(shape, 4);
  for (let i = 0; i < 4; i++) dataset.copy(dataset.ends[100 * i]!, golden);
  const files = await encodeBundle(trained, golden, table, testEngine.openScoring);
  disposeModel(trained.model);
  detector = await decodeBundle('v', files, table, testEngine.openScoring);
}, 120_000);
afterAll(() => detector.dispose());

/** Surprise and T² of the records [from, to), which continue a memory. */
async function score(values: Float64Array, from: number, to: number, continued?: MemorySnapshot) {
  const times = timesOf(values.length / names.length);
  const memories = detector.createMemories({ maxKeys: 1 }, continued);
  const memory = memories.of(key);
  const windows = createWindowStore(shape, { ...time, maxKeys: 1 });
  const none = new Float64Array();
  for (let row = Math.max(0, from - length); row < from; row++) windows.push(key, row, times, values, none);
  const batch = detector.createBatch(1);
  const scored: { surprise: number; linear: number }[] = [];
  for (let row = from; row < to; row++) {
    if (windows.push(key, row, times, values, none) !== 'ready') continue;
    memory.enter(values, row * names.length, times[row]!);
    windows.copy(key, batch);
    memory.recall(batch, 0);
    const { aboveBaseline, statisticsOf } = await detector.score(batch, () => memory);
    scored.push({ surprise: aboveBaseline[0]!, linear: statisticsOf(0)['linear']! });
    clearWindows(batch);
  }
  return { scored, snapshot: memories.snapshot() };
}

const shareAbove = (scored: readonly { surprise: number }[], surprise: number): number =>
  scored.filter((one) => one.surprise >= surprise).length / scored.length;

test('a temperature that is 3 K too high, well within its range, is found, and normal records are not', async () => {
  expect(detector.state.context!.channels.map(({ channel }) => names[channel])).toEqual(['temperature']);
  const normal = await score(plant(5, 3000), 0, 3000);
  const faulty = await score(plant(5, 3000, 3), 0, 3000);
  const after = -1500;
  expect(shareAbove(normal.scored, 2)).toBeLessThan(0.03);
  expect(shareAbove(faulty.scored.slice(after), 2)).toBeGreaterThan(0.5);
}, 60_000);

test('after a restart the scores are those of an uninterrupted run, to the last bit', async () => {
  const values = plant(6, 900, 0);
  const whole = await score(values, 0, 900);
  const first = await score(values, 0, 450);
  const second = await score(values, 450, 900, first.snapshot);
  expect([...first.scored, ...second.scored]).toEqual(whole.scored);
}, 60_000);
