/** Every model on images: trained, stored, loaded and scored. */
import { createCategoryTable } from '../../src/domain/condition';
import { createRecordBatch } from '../../src/domain/record';
import { createLimitCheck } from '../../src/domain/signal';
import { createWindowBatch, windowShape, type WindowBatch } from '../../src/domain/window';
import { modelKinds } from '../../src/models/zoo';
import { decodeBundle, encodeBundle } from '../../src/scoring/bundle';
import { createLatentEncoder, generateWindows } from '../../src/scoring/generate';
import { createRandom, tf } from '../../src/tensor';
import { createDatasetBuilder, type Dataset } from '../../src/training/dataset';
import { train } from '../../src/training/train';
import { type TrainingOptions } from '../../src/training/options';
import { disposeModel } from '../../src/models/model';
import { modelOptions } from './spec';
import { openTestBackend, testEngine } from '../backend';
import { imageSchema } from '../image-schema';

const image = { width: 8, height: 8, colour: 'rgb' } as const;
const schema = imageSchema(image);
const shape = windowShape(schema, 10);

beforeAll(() => openTestBackend('wasm'));
afterEach(() => expect(tf.memory().numTensors).toBe(0));

/** A bright bar somewhere, of a colour between red and blue, on noise; with a white patch if `fault`. */
function pixelsOf(i: number, fault: boolean): number[] {
  const random = createRandom(i + 1);
  const column = Math.floor(random.uniform() * 7);
  const red = random.uniform();
  const values: number[] = [];
  for (let y = 0; y < 8; y++) {
    for (let x = 0; x < 8; x++) {
      const onBar = x === column || x === column + 1;
      const patch = fault && x >= 6 && y >= 6;
      const colour = onBar ? [200 * red, 40, 200 * (1 - red)] : [0, 0, 0];
      for (const value of patch ? [255, 255, 255] : colour)
        values.push(Math.min(255, Math.floor(value + 20 * random.uniform())));
    }
  }
  return values;
}

function datasetOf(count: number): Dataset {
  const batch = createRecordBatch(schema, count);
  for (let i = 0; i < count; i++) {
    batch.keys[i] = 'camera';
    batch.timestamps[i] = i * 1000;
    batch.values.set(pixelsOf(i, false), i * 192);
    batch.count++;
  }
  const builder = createDatasetBuilder(shape);
  builder.add(batch);
  return builder.build(shape, {
    time: { ttlMs: Infinity, intervalMs: 0, gaps: 'ignore', padding: 'none' },
    exclude: [],
    maxExcludedShare: 0.5,
    limits: createLimitCheck([], []),
  });
}

function batchOf(from: number, count: number, fault: boolean): WindowBatch {
  const batch = createWindowBatch(shape, count);
  for (let i = 0; i < count; i++) {
    batch.values.set(pixelsOf(from + i, fault), i * 192);
    batch.timestamps[i] = (from + i) * 1000;
    batch.count++;
  }
  return batch;
}

function optionsFor(model: Partial<TrainingOptions['model']>): TrainingOptions {
  return {
    schema,
    signals: [],
    model: { ...modelOptions, hidden: [8, 8], latentDim: 4, conditionDropout: 0, ...model },
    seed: 3,
    epochs: 12,
    batchSize: 32,
    learningRate: 0.01,
    patience: 12,
    minRecords: 100,
    calibrationShare: 0.3,
    acceptAfter: 0,
    statistics: ['reconstruction', 'channel'],
    groupBy: '',
    ...testEngine,
    engine: 'wasm',
    settingsFingerprint: '',
  };
}

const data = datasetOf(600);
const median = (values: Float64Array): number => values.slice().sort()[values.length >> 1]!;

describe.each([
  ...modelKinds.map((kind) => ({ kind, network: 'conv2d', likelihood: 'gaussian' }) as const),
  { kind: 'vae', network: 'mlp', likelihood: 'bernoulli' } as const,
  { kind: 'cvae', network: 'conv2d', likelihood: 'discretised-logistic' } as const,
  { kind: 'hvae', network: 'mlp', likelihood: 'student-t' } as const,
])('$kind, $network, $likelihood', (model) => {
  test('a stored and loaded version finds a patch and names its region', async () => {
    const trained = await train(data, createCategoryTable(), optionsFor(model));
    expect(trained.report.skippedSteps).toBe(0);
    expect(trained.state.channels).toHaveLength(16);
    expect(trained.state.spec).toMatchObject({ length: 64, width: 8, channels: 3 });
    const files = await encodeBundle(trained, batchOf(0, 4, false), createCategoryTable());
    expect(files.get('golden.json')!.length).toBeLessThan(6000);
    disposeModel(trained.model);

    const detector = await decodeBundle('v', files, createCategoryTable());
    const normal = await detector.score(batchOf(2000, 60, false));
    const faulty = await detector.score(batchOf(2000, 60, true));
    expect(Object.keys(normal.statistics)).not.toContain('stuck');
    expect(median(faulty.surprise)).toBeGreaterThan(median(normal.surprise) + 1);
    const firsts = Array.from({ length: 60 }, (_, i) => faulty.contributions(i)[0]!);
    expect(firsts.filter(({ channel }) => channel === 'x 6-7, y 6-7').length).toBeGreaterThan(30);
    const { actual, expected } = firsts.find(({ channel }) => channel === 'x 6-7, y 6-7')!;
    expect(actual).toBeGreaterThan(250);
    expect(expected).toBeLessThan(200);

    const i = 7;
    const parts = faulty.contributions(i).reduce((sum, { contribution }) => sum + contribution, 0);
    expect(parts).toBeGreaterThan(0);
    expect(parts).toBeLessThan(faulty.statistics['reconstruction']![i]!);
    detector.dispose();
  }, 60_000);
});

test('a stored and loaded version of gradients finds a patch, and names regions at it', async () => {
  const model = { kind: 'vae', features: 'gradients', likelihood: 'auto' } as const;
  const trained = await train(data, createCategoryTable(), optionsFor(model));
  expect(trained.state.spec).toMatchObject({
    features: 'gradients',
    likelihood: 'gaussian',
    length: 64,
    width: 8,
    channels: 3,
  });
  const files = await encodeBundle(trained, batchOf(0, 4, false), createCategoryTable());
  disposeModel(trained.model);
  const detector = await decodeBundle('v', files, createCategoryTable());
  const normal = await detector.score(batchOf(2000, 60, false));
  const faulty = await detector.score(batchOf(2000, 60, true));
  expect(median(faulty.surprise)).toBeGreaterThan(median(normal.surprise) + 1);
  const firsts = Array.from({ length: 60 }, (_, i) => faulty.contributions(i)[0]!.channel);
  // Cells of 4 pixels reach over each other: around the patch, and not over the whole image.
  expect(firsts.filter((name) => /^x [2-6]-7, y [2-6]-7$/.test(name)).length).toBeGreaterThan(40);
  const { contributions, nearestNormal } = faulty.explain(7);
  expect(contributions[0]!.channel).toBe(firsts[7]);
  expect(nearestNormal.leftOut).toEqual(contributions.map(({ channel }) => channel));
  expect(nearestNormal.latent.every(({ value }) => Number.isFinite(value))).toBe(true);
  detector.dispose();
}, 60_000);

test('the likelihood that is chosen from the pixels is stored by its name', async () => {
  const { state, model } = await train(
    data,
    createCategoryTable(),
    optionsFor({ kind: 'vae', likelihood: 'auto' }),
  );
  expect(state.spec.likelihood).toBe('gaussian');
  disposeModel(model);
}, 60_000);

test('a model generates images in bytes, and encodes images', async () => {
  const { state, model } = await train(data, createCategoryTable(), optionsFor({ kind: 'vae' }));
  const drawn = generateWindows(state, model, createCategoryTable(), {
    count: 5,
    conditions: {},
    timestamp: 0,
    temperature: 1,
    seed: 1,
  });
  expect(drawn).toHaveLength(5 * 192);
  expect(drawn.every((value) => value >= 0 && value <= 255)).toBe(true);
  expect(Math.max(...drawn)).toBeGreaterThan(50);
  const codes = createLatentEncoder(state, model, createCategoryTable())(batchOf(0, 3, false));
  expect(codes).toHaveLength(3 * 4);
  disposeModel(model);
}, 60_000);

test('a dataset stores bytes as bytes', () => {
  expect(data.values).toBeInstanceOf(Uint8Array);
  expect(data.values).toHaveLength(600 * 192);
  expect([...data.values.subarray(5 * 192, 6 * 192)]).toEqual(pixelsOf(5, false));
});
