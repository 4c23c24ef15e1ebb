/** The detection power of a version: what it finds of the faults that are put into held-out records. */
import { createCategoryTable } from '../../src/domain/condition';
import { createRecordBatch } from '../../src/domain/record';
import { disposeModel } from '../../src/models/model';
import { findFaults, watchedRecords } from '../../src/scoring/canaries';
import { mergePower, powerByKind, type DetectionPower } from '../../src/scoring/detection-power';
import { createDetector } from '../../src/scoring/detector';
import type { VersionState } from '../../src/scoring/version-state';
import { createRandom } from '../../src/tensor';
import { measurePower, pickStretches } from '../../src/training/canary';
import { createDatasetBuilder, type Dataset } from '../../src/training/dataset';
import { splitByTime } from '../../src/training/split';
import { train } from '../../src/training/train';
import { openTestBackend } from '../backend';
import { options } from '../models/synthetic';

const time = { ttlMs: 60_000, intervalMs: 0, gaps: 'ignore', padding: 'none' } as const;
const canaries = { target: { kind: 'ratio', ratio: 0.003 }, share: 0.3, time, seed: 1 } as const;

const schema = { ...options.schema, conditions: [] };
const table = createCategoryTable();
let dataset: Dataset;
let trained: Awaited<ReturnType<typeof train>>;
let power: DetectionPower;

/** Two devices whose four channels share a load: x = 0.6 load + 0.8 noise, so that a channel has a deviation of 1. */
function createDataset(count: number): Dataset {
  const random = createRandom(1);
  const shape = { length: 4, channels: 4, conditions: 0 };
  const builder = createDatasetBuilder(shape);
  const batch = createRecordBatch(schema, 2 * count);
  for (let i = 0; i < 2 * count; i++) {
    const load = random.normal();
    for (let j = 0; j < 4; j++) batch.values[4 * i + j] = 10 * j + 0.6 * load + 0.8 * random.normal();
    batch.keys[i] = `pump-${i % 2}`;
    batch.timestamps[i] = Date.UTC(2026, 0, 1) + i * 1000;
    batch.count++;
  }
  builder.add(batch);
  return builder.build(shape, { time, exclude: [], maxExcludedShare: 0.5, limits: () => [] });
}

beforeAll(async () => {
  await openTestBackend('wasm');
  dataset = createDataset(1500);
  const statistics = ['balanced', 'linear', 'newest'] as const;
  trained = await train(dataset, table, { ...options, schema, statistics, epochs: 15 });
  power = (await measurePower(trained, dataset, canaries, table))!;
}, 60_000);

afterAll(() => disposeModel(trained.model));

/** Share found of a kind and size within the longest time, or a shorter one. */
function share({ faults }: DetectionPower, kind: string, size: number, within = -1): number {
  const { found, canaries: count } = faults.find((one) => one.kind === kind && one.size === size)!;
  return found.at(within)! / count;
}

/** The power of the version with another state or threshold. */
async function powerOf(changes: Partial<VersionState>, threshold = 2.5): Promise<DetectionPower> {
  const detector = createDetector('changed', { ...trained.state, ...changes }, trained.model, table);
  const stretches = pickStretches(dataset, splitByTime(dataset, 0.3).calibration).filter(
    (_, i) => i % 2 === 0,
  );
  try {
    return (await findFaults(detector, stretches, { threshold, time, random: createRandom(1) }))!;
  } finally {
    detector.release();
  }
}

test('large faults are found, most at once, and larger ones more often', () => {
  expect(power.stretches).toBeGreaterThan(24);
  expect(power.within).toEqual([1, 4, watchedRecords]);
  expect(share(power, 'spike', 12, 0)).toBeGreaterThan(0.8);
  expect(share(power, 'shift', 6)).toBeGreaterThan(0.8);
  expect(share(power, 'frozen-device', 32)).toBeGreaterThan(0.8);
  for (const [kind, sizes] of [
    ['spike', [3, 6, 12]],
    ['shift', [1.5, 3, 6]],
    ['drift', [1.5, 3, 6]],
    ['variance', [1.5, 3, 6]],
  ] as const) {
    const shares = sizes.map((size) => share(power, kind, size));
    expect(shares[0]).toBeLessThan(shares[2]!);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
  }
  for (const { found, canaries: count } of power.faults) {
    expect(found).toEqual([...found].sort((a, b) => a - b));
    expect(found.at(-1)).toBeLessThanOrEqual(count);
  }
});

test('the same seed gives the same power, and another one other canaries', async () => {
  expect(await measurePower(trained, dataset, canaries, table)).toEqual(power);
  expect(await measurePower(trained, dataset, { ...canaries, seed: 2 }, table)).not.toEqual(power);
});

test('a threshold that nothing reaches finds nothing, and one that all records reach has no canaries', async () => {
  const blind = await powerOf({}, Infinity);
  expect(new Set(blind.faults.flatMap(({ found }) => found))).toEqual(new Set([0]));
  expect(blind.alarming).toBe(0);
  expect(await powerOf({}, 0)).toBeUndefined();
});

test('a level that follows everything makes the version blind to what lasts', async () => {
  const { level } = trained.state;
  const follows = { ...level!, memory: 4, share: [1, 1, 1, 1], lowest: level!.mean, highest: level!.mean };
  const blind = await powerOf({ level: follows });
  expect(share(power, 'drift', 6)).toBeGreaterThan(0.7);
  expect(share(blind, 'drift', 6)).toBeLessThan(share(power, 'drift', 6) / 2);
});

test('a baseline that is as high as it can be makes the version less sensitive', async () => {
  const { baseline } = trained.state;
  const high = { ...baseline, start: baseline.start.map((value) => value + 10 * baseline.spread) };
  const weak = await powerOf({ baseline: high });
  expect(share(weak, 'spike', 3)).toBeLessThan(share(power, 'spike', 3));
});

test('a device that has been odd for long has a raised threshold: its copied memory finds less', async () => {
  const detector = createDetector('live', trained.state, trained.model, table);
  const [stretch] = pickStretches(dataset, splitByTime(dataset, 0.3).calibration);
  const { key, known } = stretch!;
  const memories = detector.createMemories({ maxKeys: 1 });
  const memory = memories.of(key);
  for (let i = 0; i < options.acceptAfter; i++) memory.rise(100);
  const find = (of: ReturnType<typeof memories.snapshot> | undefined) =>
    findFaults(detector, [{ ...stretch!, known, memory: of }], {
      threshold: 2.5,
      time,
      random: createRandom(1),
    });
  const total = (of: DetectionPower | undefined): number =>
    of!.faults.reduce((sum, { found }) => sum + found.at(-1)!, 0);
  expect(total(await find(memories.snapshot()))).toBeLessThan(total(await find(undefined)));
  detector.release();
});

test('stretches are of the calibration block, one device and no gap, with the records before them', () => {
  const { calibration } = splitByTime(dataset, 0.3);
  const stretches = pickStretches(dataset, calibration);
  const held = new Set(Array.from(calibration, (row) => dataset.timestamps[row]!));
  for (const { key, timestamps, values, conditions, known, from } of stretches) {
    expect(key).toMatch(/^pump-[01]$/);
    expect(new Set(timestamps.map((at) => at % 2000)).size).toBe(1);
    expect(timestamps.length - from).toBe(watchedRecords);
    expect([values.length, conditions.length]).toEqual([4 * timestamps.length, 0]);
    expect(from - known).toBeGreaterThanOrEqual(1);
    expect(known).toBe(3);
    for (const at of timestamps.subarray(from)) expect(held.has(at)).toBe(true);
  }
  expect(pickStretches(dataset, calibration.slice(0, watchedRecords - 1))).toEqual([]);
});

test('a target that the calibration cannot support has no power', async () => {
  const rare = { ...canaries, target: { kind: 'ratio', ratio: 1e-12 } as const };
  expect(await measurePower(trained, dataset, rare, table)).toBeUndefined();
});

test('powers of several stretches or series are counted together, and by kind', () => {
  const twice = mergePower([power, power])!;
  expect(twice.stretches).toBe(2 * power.stretches);
  expect(powerByKind(twice)).toEqual(powerByKind(power));
  const ofShift = power.faults.filter(({ kind }) => kind === 'shift');
  const found = ofShift.reduce((sum, one) => sum + one.found.at(-1)!, 0);
  expect(powerByKind(power).shift).toBeCloseTo(
    found / ofShift.reduce((sum, one) => sum + one.canaries, 0),
    10,
  );
  expect(mergePower([])).toBeUndefined();
});
