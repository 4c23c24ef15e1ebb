import { createCategoryTable, createConditionReader } from '../../src/domain/condition';
import { createRecordBatch, type RecordSchema } from '../../src/domain/record';
import { createWindowBatch } from '../../src/domain/window';
import type { Model, WindowArrays } from '../../src/models/model';
import { disposeModel } from '../../src/models/model';
import { principalComponents, symmetricEigen } from '../../src/models/principal-components';
import { createModel } from '../../src/models/zoo';
import { createDetector, type Detector } from '../../src/scoring/detector';
import { createRandom, scoped, tf } from '../../src/tensor';
import type { Dataset } from '../../src/training/dataset';
import { train, type TrainingOptions } from '../../src/training/train';
import { openTestBackend } from '../backend';
import { createSpec } from './spec';
import { options, toDataset } from './synthetic';

beforeAll(async () => {
  await openTestBackend('wasm');
});

describe('principal components', () => {
  const random = createRandom(3);
  const [rows, dim] = [40, 7];
  const vectors = Float64Array.from({ length: rows * dim }, (_, i) => random.normal() * (1 + (i % dim)));
  const covariance = (of: Float64Array, width: number): Float64Array =>
    Float64Array.from({ length: width * width }, (_, k) => {
      let sum = 0;
      for (let at = 0; at < of.length; at += width)
        sum += of[at + Math.floor(k / width)]! * of[at + (k % width)]!;
      return (sum * width) / of.length;
    });

  test('are those of a complete decomposition, of which each vector is an eigenvector', () => {
    const matrix = covariance(vectors, dim);
    const all = symmetricEigen(matrix, dim);
    for (let k = 0; k < dim; k++) {
      const vector = all.vectors.subarray(k * dim, (k + 1) * dim);
      for (let i = 0; i < dim; i++) {
        let image = 0;
        for (let j = 0; j < dim; j++) image += matrix[i * dim + j]! * vector[j]!;
        expect(image).toBeCloseTo(all.values[k]! * vector[i]!, 9);
      }
    }
    const { variances, directions, total } = principalComponents(vectors, dim, 3);
    expect(total).toBeCloseTo(
      all.values.reduce((sum, value) => sum + value, 0),
      9,
    );
    for (let k = 0; k < 3; k++) {
      expect(variances[k]! / all.values[k]!).toBeCloseTo(1, 6);
      let inner = 0;
      for (let j = 0; j < dim; j++) inner += directions[k * dim + j]! * all.vectors[k * dim + j]!;
      expect(Math.abs(inner)).toBeCloseTo(1, 6);
    }
  });

  test('of fewer vectors than dimensions are the same, and end with the rank', () => {
    const few = vectors.slice(0, 3 * dim);
    const all = symmetricEigen(covariance(few, dim), dim);
    const { variances, directions } = principalComponents(few, dim, 5);
    variances.forEach((variance, k) => expect(variance).toBeCloseTo(all.values[k]!, 8));
    expect(variances[2]).toBeGreaterThan(1);
    expect(variances[3]).toBeCloseTo(0, 9);
    expect(Math.hypot(...directions.subarray(0, dim))).toBeCloseTo(1, 9);
    const none = principalComponents(new Float64Array(4 * dim), dim, 2);
    expect([...none.variances, none.total]).toEqual([0, 0, 0]);
  });
});

describe('the closed form', () => {
  /** Two hidden causes with loadings of length 3 and 2, noise of 0.5, a mean that follows the condition. */
  const spec = createSpec({
    kind: 'linear',
    latentDim: 3,
    conditionDim: 1,
    length: 2,
    channels: 3,
    minVariance: 1e-4,
  });
  const dim = 6;
  const loadings = [
    Array.from({ length: dim }, () => 3 / Math.sqrt(dim)),
    Array.from({ length: dim }, (_, j) => ((j % 2 === 0 ? 1 : -1) * 2) / Math.sqrt(dim)),
  ];
  const meanAt = (j: number, c: number): number => 1 + j + (j % 3) * c;

  function windows(count: number, seed: number): WindowArrays {
    const random = createRandom(seed);
    const c = Float32Array.from({ length: count }, () => random.normal());
    const x = new Float32Array(count * dim);
    for (let row = 0; row < count; row++) {
      const z = [random.normal(), random.normal()];
      for (let j = 0; j < dim; j++)
        x[row * dim + j] =
          meanAt(j, c[row]!) + z[0]! * loadings[0]![j]! + z[1]! * loadings[1]![j]! + 0.5 * random.normal();
    }
    return { x, mask: new Float32Array(count * dim).fill(1), c, count };
  }

  const examplesOf = ({ x, mask, c, count }: WindowArrays) => ({
    x: tf.tensor2d(x, [count, dim]),
    mask: tf.tensor2d(mask, [count, dim]),
    c: tf.tensor2d(c, [count, 1]),
  });
  /** E[ −ELBO ], with draws of z. */
  const lossOf = (model: Model, of: WindowArrays, seed: number): number =>
    scoped(() => model.phases[0]!.loss(examplesOf(of), createRandom(seed), tf.scalar(0)).dataSync()[0]!);

  let model: Model;
  const held = windows(3000, 2);
  beforeAll(() => {
    model = createModel(spec, createRandom(1));
    model.solve!(windows(20_000, 1), held);
  });
  afterAll(() => disposeModel(model));

  test('has the loadings, the noise and the means that the data were drawn with, and leaves the third code unused', () => {
    const decoder = model.weights.get('decoder/0/kernel')!.dataSync<'float32'>();
    const bias = model.weights.get('decoder/0/bias')!.dataSync<'float32'>();
    for (const k of [0, 1]) {
      const row = decoder.subarray(k * dim, (k + 1) * dim);
      const sign = Math.sign(row[0]!);
      row.forEach((value, j) => expect(sign * value).toBeCloseTo(loadings[k]![j]!, 1));
    }
    expect([...decoder.subarray(2 * dim, 3 * dim)]).toEqual([0, 0, 0, 0, 0, 0]);
    for (let j = 0; j < dim; j++) {
      expect(bias[j]!).toBeCloseTo(meanAt(j, 0), 1);
      expect(decoder[3 * dim + j]!).toBeCloseTo(j % 3, 1);
    }
  });

  test('its ELBO is the exact log-likelihood, and no change of a weight improves it', () => {
    // The variance of a channel is that of the errors at the posterior mean, as scored. The ELBO counts draws, and needs σ².
    const [low, high] = [Math.log(spec.minVariance), Math.log(spec.maxVariance)];
    const share = (Math.log(0.25) - low) / (high - low);
    const variances = model.weights.get('likelihood/variance/0/bias')!;
    scoped(() => variances.assign(tf.fill(variances.shape, Math.log(share / (1 - share)))));
    // log p(x) of N(mean, Σ): eigenvalues 9.25, 4.25 and four of 0.25.
    const entropy = 0.5 * (dim * Math.log(2 * Math.PI * Math.E) + Math.log(9.25 * 4.25 * 0.25 ** 4));
    const loss = lossOf(model, held, 5);
    expect(Math.abs(loss - entropy)).toBeLessThan(0.15);
    for (const variable of model.weights.values()) {
      const before = variable.dataSync<'float32'>().slice();
      before.forEach((_, i) => {
        for (const by of [-0.1, 0.1]) {
          const moved = before.slice();
          moved[i]! += by;
          scoped(() => variable.assign(tf.tensor(moved, variable.shape)));
          expect(lossOf(model, held, 5)).toBeGreaterThan(loss - 3e-3);
        }
      });
      scoped(() => variable.assign(tf.tensor(before, variable.shape)));
    }
  }, 60_000);
});

/** Records of one device; each channel is a share of a common cause, and noise. */
function records(
  count: number,
  seed: number,
  { channels = 4, length = 10, correlation = 0.5 },
  disturb: (values: Float64Array, i: number) => void = () => undefined,
): Dataset {
  const random = createRandom(seed);
  const batch = createRecordBatch(schemaOf(channels), count);
  const read = createConditionReader(schemaOf(channels).conditions, table);
  for (let i = 0; i < count; i++) {
    const common = random.normal();
    const values = batch.values.subarray(i * channels, (i + 1) * channels) as Float64Array;
    for (let j = 0; j < channels; j++)
      values[j] = Math.sqrt(correlation) * common + Math.sqrt(1 - correlation) * random.normal();
    disturb(values, i);
    batch.keys[i] = 'a';
    batch.timestamps[i] = Date.UTC(2026, 0, 1) + i * 1000;
    read({ mode: modeOf(i) }, batch.conditions, i);
    batch.count++;
  }
  const shape = { channels, conditions: 1, length };
  return toDataset(batch, shape);
}

const table = createCategoryTable();
const modeOf = (i: number): string => (Math.floor(i / 25) % 2 === 0 ? 'idle' : 'busy');

function schemaOf(channels: number): RecordSchema {
  return {
    channels: Array.from({ length: channels }, (_, j) => `c${j}`),
    missingChannels: 'mask',
    extraChannels: 'reject',
    conditions: [{ name: 'mode', kind: 'category', maxValues: 8, missing: 'unknown' }],
  };
}

function trainOn(history: Dataset): ReturnType<typeof train> {
  const { channels } = history.shape;
  const own: TrainingOptions = {
    ...options,
    openScoring: undefined,
    schema: schemaOf(channels),
    minRecords: 1,
    calibrationShare: 0.5,
    statistics: ['reconstruction', 'linear', 'newest'],
    model: { ...options.model, kind: 'linear', latentDim: 8 },
  };
  return train(history, table, own);
}

/** As deployed: with the memory of the device. */
async function score(detector: Detector, data: Dataset) {
  const { channels, length } = data.shape;
  const batch = createWindowBatch(data.shape, data.ends.length);
  const memory = detector.createMemories({ maxKeys: 1 }).of('a');
  for (let i = 0; i < length - 1; i++) memory.enter(data.values, i * channels, data.timestamps[i]!);
  data.ends.forEach((end, i) => {
    data.copy(end, batch);
    memory.enter(data.values, end * channels, data.timestamps[end]!);
    memory.recall(batch, i);
  });
  return detector.score(batch, () => memory);
}

const threshold = -Math.log10(0.005);

describe('a hundred records', () => {
  test('calibrate a model that finds spikes, with few false alarms on fresh records', async () => {
    let [alarms, normal, found, spikes] = [0, 0, 0, 0];
    for (let seed = 1; seed <= 6; seed++) {
      const { state, model, report } = await trainOn(records(100, seed, {}));
      expect(report).toMatchObject({ epochs: 0, steps: 0, trainingEngine: 'closed form' });
      expect(state.spec).toMatchObject({ kind: 'linear', hidden: [] });
      const detector = createDetector('v', state, model, table);
      const fresh = await score(detector, records(1000, 100 + seed, {}));
      alarms += fresh.aboveBaseline.filter((s) => s >= threshold).length;
      normal += fresh.count;
      const isSpike = (i: number): boolean => i % 40 === 39;
      const data = records(600, 200 + seed, {}, (values, i) => isSpike(i) && (values[0]! += 8));
      const spiked = await score(detector, data);
      data.ends.forEach((end, i) => {
        if (!isSpike(end)) return;
        spikes++;
        if (spiked.aboveBaseline[i]! >= threshold) found++;
        // Beyond what so few calibration records can know.
        if (spiked.aboveBaseline[i]! >= threshold) expect(spiked.extrapolated[i]).toBe(1);
      });
      disposeModel(model);
    }
    expect(alarms / normal).toBeLessThan(0.02);
    expect(found / spikes).toBeGreaterThan(0.9);
  }, 60_000);

  test('teach what depends on a condition', async () => {
    const byMode = (values: Float64Array, i: number): void => {
      if (modeOf(i) === 'busy') values[1]! += 20;
    };
    const { state, model } = await trainOn(records(150, 1, {}, byMode));
    const detector = createDetector('v', state, model, table);
    const share = ({ aboveBaseline, count }: Awaited<ReturnType<typeof score>>): number =>
      aboveBaseline.filter((s) => s >= threshold).length / count;
    expect(share(await score(detector, records(500, 2, {}, byMode)))).toBeLessThan(0.03);
    // Busy values in idle records, and the reverse.
    const swapped = records(500, 2, {}, (values, i) => modeOf(i) === 'idle' && (values[1]! += 20));
    expect(share(await score(detector, swapped))).toBeGreaterThan(0.95);
    disposeModel(model);
  }, 60_000);

  test.each<[string, (values: Float64Array, i: number) => void]>([
    ['constant', (values) => (values[2] = 7)],
    ['always missing', (values) => (values[2] = NaN)],
    ['missing in nine of ten records', (values, i) => i % 10 !== 3 && (values[2] = NaN)],
    ['infinite once', (values, i) => i === 20 && (values[2] = Infinity)],
  ])(
    'with a channel that is %s, find a spike of another one',
    async (_name, disturb) => {
      const { state, model } = await trainOn(records(120, 3, {}, disturb));
      const detector = createDetector('v', state, model, table);
      const data = records(200, 4, {}, (values, i) => {
        if (i !== 20) disturb(values, i);
        if (i === 150) values[0]! += 10;
      });
      const { aboveBaseline } = await score(detector, data);
      expect(aboveBaseline.every(Number.isFinite)).toBe(true);
      const at = data.ends.indexOf(150);
      expect(aboveBaseline[at]!).toBeGreaterThan(threshold);
      expect(aboveBaseline.slice(0, at).filter((s) => s >= threshold).length).toBeLessThan(0.1 * at);
      disposeModel(model);
    },
    60_000,
  );

  test('of one channel, and of two hundred, are enough', async () => {
    for (const channels of [1, 200]) {
      const { state, model } = await trainOn(records(100, 5, { channels }));
      const detector = createDetector('v', state, model, table);
      const data = records(60, 6, { channels }, (values, i) => i === 50 && values.fill(12));
      const { aboveBaseline } = await score(detector, data);
      expect(aboveBaseline[data.ends.indexOf(50)]!).toBeGreaterThan(threshold);
      disposeModel(model);
    }
  }, 60_000);

  test('in windows that are too long for them are refused with the number of windows that calibrate', async () => {
    await expect(trainOn(records(100, 7, { length: 40 }))).rejects.toMatchObject({
      reason: 'too_few_records',
      message: expect.stringContaining(
        'the newest 50 % of the history, which calibrates, has 0 windows',
      ) as string,
    });
  });
});
