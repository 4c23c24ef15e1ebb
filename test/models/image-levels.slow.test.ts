/** What models of cells make of the image and its conditions: cells that are usual, but not together, or not of this product. */
import { createCategoryTable } from '../../src/domain/condition';
import { createRecordBatch } from '../../src/domain/record';
import { createLimitCheck } from '../../src/domain/signal';
import { createWindowBatch, windowShape, type WindowBatch } from '../../src/domain/window';
import { placeDim } from '../../src/models/image-cells';
import { disposeModel, type Examples, type Model } from '../../src/models/model';
import { createOptimizer, trainStep } from '../../src/models/train-step';
import { createModel } from '../../src/models/zoo';
import { readBackbone } from '../../src/runtime/backbone';
import { decodeBundle, encodeBundle } from '../../src/scoring/bundle';
import { createDetector, type Detector } from '../../src/scoring/detector';
import { createRandom, scoped, tf, type Random } from '../../src/tensor';
import { createDatasetBuilder, type Dataset } from '../../src/training/dataset';
import { train } from '../../src/training/train';
import { type TrainingOptions } from '../../src/training/options';
import { openTestBackend, testEngine } from '../backend';
import { imageSchema } from '../image-schema';
import { createSpec, modelOptions } from './spec';

beforeAll(() => openTestBackend('wasm'));
afterEach(() => expect(tf.memory().numTensors).toBe(0));

/** How probable it is that an odd value is larger than a normal one. */
function auc(normal: ArrayLike<number>, odd: ArrayLike<number>): number {
  let wins = 0;
  for (const o of Array.from(odd)) for (const n of Array.from(normal)) wins += o > n ? 1 : o === n ? 0.5 : 0;
  return wins / (normal.length * odd.length);
}

describe('cells of two products', () => {
  const [cells, channels] = [16, 6];
  const meanOf = (product: number, channel: number): number =>
    (product === 0 ? 1 : -1) * (channel % 2 === 0 ? 1 : -1);

  /** Images whose cells are of one product, or their first half of one and the rest of the other. */
  function imagesOf(count: number, random: Random, mixed: boolean) {
    const x = new Float32Array(count * cells * channels);
    for (let i = 0; i < count; i++) {
      const product = random.uniform() < 0.5 ? 0 : 1;
      for (let cell = 0; cell < cells; cell++)
        for (let channel = 0; channel < channels; channel++)
          x[(i * cells + cell) * channels + channel] =
            meanOf(mixed && cell >= cells / 2 ? 1 - product : product, channel) + 0.3 * random.normal();
    }
    return x;
  }
  const places = Float32Array.from({ length: cells * placeDim }, (_, i) =>
    i % 2 === 0 ? (2 * (i / 2 + 0.5)) / cells - 1 : 0,
  );
  /** As the model of single cells reads them, or the model of images of cells. */
  function examplesOf(x: Float32Array, alone: boolean): Examples {
    const count = x.length / (cells * channels);
    const shape: [number, number] = alone ? [count * cells, channels] : [count, cells * channels];
    const c = tf.tile(tf.tensor2d(places, [1, cells * placeDim]), [count, 1]);
    return {
      x: tf.tensor2d(x, shape),
      mask: tf.ones(shape),
      c: alone ? tf.reshape(c, [-1, placeDim]) : c,
    };
  }

  function trained(kind: 'vae' | 'hvae', alone: boolean): Model {
    const spec = createSpec({
      kind,
      patches: true,
      hidden: [16],
      levels: [2, 2],
      length: alone ? 1 : cells,
      channels,
      conditionDim: alone ? placeDim : cells * placeDim,
    });
    const model = createModel(spec, createRandom(1));
    const random = createRandom(2);
    const optimizers = model.phases.map((phase) => createOptimizer(phase, 5e-3));
    for (let step = 0; step < 300; step++)
      scoped(() => {
        const examples = examplesOf(imagesOf(32, random, false), alone);
        model.phases.forEach((phase, i) => trainStep(phase, optimizers[i]!, examples, random, step));
      });
    return model;
  }

  /** By statistic, of images; those of single cells are the largest of an image. */
  function aucsOf(model: Model, alone: boolean): Record<string, number> {
    const [normal, mixed] = [false, true].map((isMixed) =>
      scoped(() => {
        const { statistics } = model.assess(examplesOf(imagesOf(100, createRandom(9), isMixed), alone));
        return Object.fromEntries(
          Object.entries(statistics).map(([name, values]) => {
            const each = tf.reshape(values, [100, -1]);
            return [name, Array.from(tf.max(each, 1).dataSync())];
          }),
        );
      }),
    );
    return Object.fromEntries(Object.keys(normal!).map((name) => [name, auc(normal![name]!, mixed![name]!)]));
  }

  test('each of which is usual: only the code of the image finds that they do not belong together', () => {
    const [ofCells, ofImages] = [trained('vae', true), trained('hvae', false)];
    const [alone, together] = [aucsOf(ofCells, true), aucsOf(ofImages, false)];
    for (const value of Object.values(alone)) expect(Math.abs(value - 0.5)).toBeLessThan(0.15);
    expect(together['llr']).toBeGreaterThan(0.98);
    // A training may see some cells of an image: the code of the image does not depend on their number.
    scoped(() => {
      const x = imagesOf(1, createRandom(3), false);
      const whole = examplesOf(x, false);
      const half = {
        x: tf.slice(whole.x, [0, 0], [1, (cells / 2) * channels]),
        mask: tf.ones<tf.Rank.R2>([1, (cells / 2) * channels]),
        c: tf.slice(whole.c!, [0, 0], [1, (cells / 2) * placeDim]),
      };
      const [a, b] = [whole, half].map((of) => ofImages.encode(of).dataSync().slice(0, 2));
      a!.forEach((value, i) => expect(Math.abs(value - b![i]!)).toBeLessThan(0.5));
    });
    [ofCells, ofImages].forEach(disposeModel);
  }, 120_000);
});

const side = 64;
const image = { width: side, height: side, colour: 'grey' } as const;
const schema = imageSchema(image, [
  { name: 'product', kind: 'category', maxValues: 8, missing: 'reject' },
  { name: 'camera', kind: 'category', maxValues: 8, missing: 'reject' },
]);
const shape = windowShape(schema, 10);
const options = (model: Partial<TrainingOptions['model']>, statistics: string[]): TrainingOptions => ({
  schema,
  signals: [],
  model: {
    ...modelOptions,
    hidden: [64, 32],
    latentDim: 8,
    conditionDropout: 0.05,
    ...model,
    features: 'backbone',
  },
  seed: 3,
  epochs: 15,
  batchSize: 0,
  learningRate: 0,
  patience: 15,
  minRecords: 100,
  calibrationShare: 0.3,
  acceptAfter: 0,
  statistics: statistics as TrainingOptions['statistics'],
  groupBy: '',
  ...testEngine,
  engine: 'wasm',
  settingsFingerprint: '',
  backbone: readBackbone(),
});

/** A place of a product: ribs across or along, seen by a bright camera or by a dark one. */
function surface(seed: number, productAt: (x: number) => number, camera: number): Uint8Array {
  const random = createRandom(seed);
  const [phase, level] = [6 * random.uniform(), camera === 0 ? 150 : 80];
  return Uint8Array.from({ length: side * side }, (_, i) => {
    const [x, y] = [i % side, Math.floor(i / side)];
    const along = productAt(x) === 0 ? x : y;
    return level + (level / 4) * Math.sin(along * 0.8 + phase) + 6 * random.normal();
  });
}

const table = createCategoryTable();
const products = ['bolt', 'nut'].map((name) => table.code(name));
const cameras = ['north', 'south'].map((name) => table.code(name));

interface Shown {
  pixels: Uint8Array;
  product: number;
  camera: number;
}

function fill(
  batch: { values: ArrayLike<number>; count: number } & Pick<
    WindowBatch,
    'conditions' | 'timestamps' | 'keys'
  >,
  shown: readonly Shown[],
) {
  shown.forEach(({ pixels, product, camera }, i) => {
    (batch.values as Uint8Array).set(pixels, i * side * side);
    batch.conditions.set([products[product]!, cameras[camera]!], i * 2);
    batch.timestamps[i] = i * 1000;
    batch.keys[i] = 'line';
    batch.count++;
  });
}

function datasetOf(shown: readonly Shown[]): Dataset {
  const batch = createRecordBatch(schema, shown.length);
  fill(batch, shown);
  const builder = createDatasetBuilder(shape);
  builder.add(batch);
  return builder.build(shape, {
    time: { ttlMs: Infinity, intervalMs: 0, gaps: 'ignore', padding: 'none' },
    exclude: [],
    maxExcludedShare: 0.5,
    limits: createLimitCheck([], []),
  });
}

async function scoresOf(detector: Detector, shown: readonly Shown[]) {
  const batch = createWindowBatch(shape, shown.length);
  fill(batch, shown);
  return detector.score(batch);
}

const good = (from: number, count: number): Shown[] =>
  Array.from({ length: count }, (_, i) => {
    const [product, camera] = [i % 2, (i >> 1) % 2];
    return { pixels: surface(from + i, () => product, camera), product, camera };
  });

test('cvae: a good image of one product is odd as another one, or as of another camera', async () => {
  const trained = await train(
    datasetOf(good(1, 240)),
    table,
    options({ kind: 'cvae' }, ['patch', 'channel', 'bank']),
  );
  const detector = createDetector('v', trained.state, trained.model, table);
  const shown = good(5000, 60);
  const normal = await scoresOf(detector, shown);
  const otherProduct = await scoresOf(
    detector,
    shown.map((one) => ({ ...one, product: 1 - one.product })),
  );
  const otherCamera = await scoresOf(
    detector,
    shown.map((one) => ({ ...one, camera: 1 - one.camera })),
  );
  expect(auc(normal.surprise, otherProduct.surprise)).toBeGreaterThan(0.98);
  expect(auc(normal.surprise, otherCamera.surprise)).toBeGreaterThan(0.95);
  const alarms = (of: ArrayLike<number>): number => Array.from(of).filter((surprise) => surprise >= 2).length;
  expect(alarms(normal.surprise)).toBeLessThan(4);
  expect(alarms(otherProduct.surprise)).toBeGreaterThan(50);
  detector.dispose();
}, 300_000);

test('hvae: a stored and loaded version of features finds images of halves of two products', async () => {
  const mixed = (count: number): Shown[] =>
    good(7000, count).map((one, i) => ({
      ...one,
      pixels: surface(8000 + i, (x) => (x < side / 2 ? one.product : 1 - one.product), one.camera),
    }));
  const trained = await train(datasetOf(good(1, 240)), table, {
    ...options({ kind: 'hvae', levels: [4, 8] }, ['patch', 'latent', 'llr']),
    epochs: 40,
  });
  // One code of the image, and one of each of its 8 × 8 cells.
  expect(trained.report).toMatchObject({
    skippedSteps: 0,
    latentDims: [4, 512],
  });
  const golden = createWindowBatch(shape, 4);
  fill(golden, good(1, 4));
  const files = await encodeBundle(trained, golden, table);
  disposeModel(trained.model);
  const detector = await decodeBundle('v', files, table);
  const [normal, odd] = [await scoresOf(detector, good(5000, 60)), await scoresOf(detector, mixed(60))];
  expect(auc(normal.surprise, odd.surprise)).toBeGreaterThan(0.95);
  const { contributions, nearestNormal } = odd.explain(0);
  expect(contributions[0]!.region).toBeDefined();
  expect(nearestNormal.latent.every(({ value }) => Number.isFinite(value))).toBe(true);
  detector.dispose();
}, 300_000);
