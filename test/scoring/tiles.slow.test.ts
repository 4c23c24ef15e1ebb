/** Images that a model reads tile by tile: small defects of large images, found and placed, by stored versions. */
import { createCategoryTable } from '../../src/domain/condition';
import { imageBytes, type Box } from '../../src/domain/image';
import { createRecordBatch } from '../../src/domain/record';
import { createLimitCheck } from '../../src/domain/signal';
import { createWindowBatch, windowShape, type WindowBatch } from '../../src/domain/window';
import { disposeModel } from '../../src/models/model';
import { decodeBundle, encodeBundle } from '../../src/scoring/bundle';
import type { Detector } from '../../src/scoring/detector';
import { createLatentEncoder } from '../../src/scoring/generate';
import { paintHeat } from '../../src/scoring/heat-map';
import { createRandom, tf } from '../../src/tensor';
import { createDatasetBuilder } from '../../src/training/dataset';
import { measurePower } from '../../src/training/canary';
import { train } from '../../src/training/train';
import { openTestBackend, testEngine } from '../backend';
import { imageSchema } from '../image-schema';
import { modelOptions } from '../models/spec';

const image = { width: 120, height: 80, colour: 'grey', tile: 40 } as const;
const schema = imageSchema(image);
const shape = windowShape(schema, 10);
const bytes = imageBytes(image);
const table = createCategoryTable();
const time = { ttlMs: Infinity, intervalMs: 0, gaps: 'ignore', padding: 'none' } as const;

beforeAll(() => openTestBackend('wasm'));

/** Waves from left to right with noise; in a defect, of 5 × 5 pixels, from top to bottom. */
function pixelsOf(seed: number, defect?: Box): Uint8Array {
  const random = createRandom(seed + 1);
  const phase = 7 * random.uniform();
  const isIn = (x: number, y: number): boolean =>
    defect !== undefined &&
    x >= defect.x &&
    x < defect.x + defect.width &&
    y >= defect.y &&
    y < defect.y + defect.height;
  return Uint8Array.from({ length: bytes }, (_, i) => {
    const [x, y] = [i % image.width, Math.floor(i / image.width)];
    return 128 + 60 * Math.sin(isIn(x, y) ? y * 1.2 : x * 0.6 + phase) + 10 * random.normal();
  });
}

function defectOf(seed: number): Box {
  const random = createRandom(1000 + seed);
  return {
    x: Math.floor(random.uniform() * (image.width - 5)),
    y: Math.floor(random.uniform() * (image.height - 5)),
    width: 5,
    height: 5,
  };
}

function batchOf(from: number, count: number, isDefect = false): WindowBatch {
  const batch = createWindowBatch(shape, count);
  for (let i = 0; i < count; i++) {
    batch.values.set(pixelsOf(from + i, isDefect ? defectOf(from + i) : undefined), i * bytes);
    batch.timestamps[i] = (from + i) * 1000;
    batch.count++;
  }
  return batch;
}

function datasetOf(count: number) {
  const batch = createRecordBatch(schema, count);
  for (let i = 0; i < count; i++) {
    batch.keys[i] = 'camera';
    batch.timestamps[i] = i * 1000;
    batch.values.set(pixelsOf(i), i * bytes);
    batch.count++;
  }
  const builder = createDatasetBuilder(shape);
  builder.add(batch);
  const limits = createLimitCheck([], []);
  return builder.build(shape, { time, exclude: [], maxExcludedShare: 0.5, limits });
}

const data = datasetOf(150);
const options = {
  schema,
  signals: [],
  model: { ...modelOptions, kind: 'vae', features: 'gradients', hidden: [16], conditionDropout: 0 },
  seed: 3,
  epochs: 15,
  batchSize: 32,
  learningRate: 0.01,
  patience: 15,
  minRecords: 100,
  calibrationShare: 0.3,
  acceptAfter: 0,
  statistics: ['patch', 'bank', 'channel'],
  groupBy: '',
  ...testEngine,
  engine: 'wasm',
  settingsFingerprint: '',
} as const satisfies Parameters<typeof train>[2];

let detector: Detector;
let power: Awaited<ReturnType<typeof measurePower>>;

beforeAll(async () => {
  const trained = await train(data, table, options);
  // The model is one of tiles.
  expect(trained.state.spec).toMatchObject({ length: 40 * 40, width: 40 });
  expect(trained.state.image).toEqual(image);
  const canaries = {
    ...testEngine,
    target: { kind: 'ratio', ratio: 0.05 },
    share: 0.3,
    time,
    seed: 1,
  } as const;
  power = await measurePower(trained, data, canaries, table);
  const files = await encodeBundle(trained, batchOf(0, 2), table, testEngine.openScoring);
  disposeModel(trained.model);
  detector = await decodeBundle('v', files, table, testEngine.openScoring);
}, 120_000);
afterAll(() => {
  detector.dispose();
  expect(tf.memory().numTensors).toBe(0);
});

const count = 40;

test('defects of a four-hundredth of the image are found, and normal images are not flagged', async () => {
  const normal = await detector.score(batchOf(2000, count));
  const faulty = await detector.score(batchOf(2000, count, true));
  const above = (surprise: Float64Array): number => surprise.filter((value) => value >= 2).length;
  expect(above(faulty.surprise)).toBeGreaterThan(0.8 * count);
  expect(above(normal.surprise)).toBeLessThan(0.1 * count);
});

test('the same image has the same score in every batch', async () => {
  const together = await detector.score(batchOf(3000, 6, true));
  for (const i of [0, 3, 5]) {
    const alone = await detector.score(batchOf(3000 + i, 1, true));
    expect(alone.surprise[0]).toBe(together.surprise[i]);
    expect(alone.statisticsOf(0)).toEqual(together.statisticsOf(i));
    expect(alone.contributions(0)).toEqual(together.contributions(i));
  }
});

test('batches that are assessed in turns do not disturb each other', async () => {
  const batches = [batchOf(4000, 3, true), batchOf(4100, 3), batchOf(4200, 2, true)];
  const apart = [];
  for (const batch of batches) apart.push((await detector.score(batch)).surprise);
  const inTurns = await Promise.all(batches.map(async (batch) => (await detector.score(batch)).surprise));
  expect(inTurns).toEqual(apart);
});

test('a region, its explanation and the heat are at the defect, in pixels of the whole image', async () => {
  let hits = 0;
  for (let seed = 5000; seed < 5010; seed++) {
    const batch = batchOf(seed, 1, true);
    const scores = await detector.score(batch);
    const { x, y } = defectOf(seed);
    const isAt = (box: Box): boolean =>
      x + 2 >= box.x && x + 2 < box.x + box.width && y + 2 >= box.y && y + 2 < box.y + box.height;
    const { contributions, nearestNormal } = scores.explain(0);
    expect(contributions).toEqual(scores.contributions(0));
    expect(nearestNormal.leftOut).toEqual(contributions.map(({ channel }) => channel));
    const heat = await detector.heat(batch);
    expect(heat.ofPixels).toHaveLength(bytes);
    const hottest = heat.ofPixels.indexOf(Math.max(...heat.ofPixels));
    const isNear =
      Math.hypot((hottest % image.width) - x - 2, Math.floor(hottest / image.width) - y - 2) < 16;
    if (isAt(contributions[0]!.region!) && isNear) hits++;
    expect(scores.keepImage!(0)()).toEqual(paintHeat(batch.values, image, heat));
  }
  expect(hits).toBeGreaterThanOrEqual(8);
});

test('its training reports the detection power, and no code of a whole image is invented', () => {
  expect(power!.stretches).toBeGreaterThanOrEqual(1);
  expect(() => createLatentEncoder(detector.state, undefined as never, table)).toThrow(
    'an image with tiles (record.image.tile) has no code of its own',
  );
});
