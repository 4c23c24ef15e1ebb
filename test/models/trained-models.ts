/** Requirements on every model of the zoo that is trained, stored and used. */
import type { CategoryTable } from '../../src/domain/condition';
import { createWindowBatch, type WindowBatch } from '../../src/domain/window';
import { disposeModel } from '../../src/models/model';
import type { AnyModelSpec } from '../../src/models/zoo';
import { decodeBundle, encodeBundle } from '../../src/scoring/bundle';
import { createDetector, type Detector } from '../../src/scoring/detector';
import { createRandom, tf } from '../../src/tensor';
import type { Dataset } from '../../src/training/dataset';
import { train } from '../../src/training/train';
import { type TrainingOptions } from '../../src/training/options';
import { createDataset, createRecords, options, toDataset } from './synthetic';
import { openTestBackend } from '../backend';

let dataset: Dataset;
let table: CategoryTable;

beforeAll(async () => {
  await openTestBackend('wasm');
  ({ dataset, table } = createDataset(1500, 1));
});

function windowsOf(data: Dataset, ends: ArrayLike<number> = data.ends): WindowBatch {
  const batch = createWindowBatch(data.shape, ends.length);
  for (const end of Array.from(ends)) data.copy(end, batch);
  return batch;
}

/** Faults of ten records each, twenty records apart, on one channel after another. */
const faults: ((values: Float64Array, i: number) => void)[] = [
  (values) => (values[2]! += 6),
  (values) => (values[1]! -= 2.5),
  (values) => (values[0]! += 2),
  (values, i) => (values[3]! += i % 2 === 0 ? 2 : 1),
];
const isFaulty = (i: number): boolean => i % 30 >= 20;
const disturb = (values: Float64Array, i: number): void => {
  if (isFaulty(i)) faults[Math.floor(i / 30) % faults.length]!(values, i);
};

/** How probable it is that a window that ends in a fault is more surprising than one without any. */
async function auroc(detector: Detector): Promise<number> {
  const data = toDataset(createRecords(1200, 11, table, disturb).batch);
  const { surprise } = await detector.score(windowsOf(data));
  const [faulty, normal]: [number[], number[]] = [[], []];
  data.ends.forEach((end, i) => {
    const records = Array.from({ length: data.shape.length }, (_, t) => end - t);
    if (isFaulty(end)) faulty.push(surprise[i]!);
    else if (!records.some(isFaulty)) normal.push(surprise[i]!);
  });
  let wins = 0;
  for (const f of faulty) for (const n of normal) wins += f > n ? 1 : f === n ? 0.5 : 0;
  return wins / (faulty.length * normal.length);
}

export type Variant = [name: string, model: Partial<AnyModelSpec>];

/** Tests each of these models after training. */
export function testTrainedModels(variants: readonly Variant[]): void {
  describe.each(variants)('%s', (_, model) => {
    const own: TrainingOptions = {
      ...options,
      // Adversarial training needs more and smaller steps.
      ...(model.kind === 'aae'
        ? { epochs: 30, batchSize: 64, learningRate: 5e-3 }
        : { epochs: 15, batchSize: 128, learningRate: 2e-2 }),
      model: { ...options.model, beta: 1.5, levels: [2, 3], ...model },
    };
    const hasClosedForm = model.kind === 'linear';
    let trained: Awaited<ReturnType<typeof train>>;
    let detector: Detector;
    let atStart: number;

    beforeAll(async () => {
      atStart = tf.memory().numTensors;
      trained = await train(dataset, table, own);
      detector = createDetector('v1', trained.state, trained.model, table);
    }, 60_000);

    afterAll(() => {
      detector.dispose();
      expect(tf.memory().numTensors).toBe(atStart);
    });

    test('it learns to distinguish faults from normal records', async () => {
      expect(await auroc(detector)).toBeGreaterThan(0.95);
    });

    test('a stored and loaded version has the same scores and statistics', async () => {
      const batch = windowsOf(dataset);
      const files = await encodeBundle(trained, windowsOf(dataset, dataset.ends.slice(0, 4)), table);
      const loaded = await decodeBundle('v2', files, table);
      const [expected, actual] = [await detector.score(batch), await loaded.score(batch)];
      expect(Object.keys(actual.statistics)).toEqual(expect.arrayContaining([...trained.model.statistics]));
      expect(actual.statistics).toEqual(expected.statistics);
      expect(actual.surprise).toEqual(expected.surprise);
      loaded.dispose();
    });

    test('the score of a window is the same to the bit in every batch', async () => {
      const ends = dataset.ends.slice(0, 40);
      const whole = Array.from((await detector.score(windowsOf(dataset, ends))).surprise);
      const alone: number[] = [];
      for (const end of ends) alone.push((await detector.score(windowsOf(dataset, [end]))).surprise[0]!);
      expect(alone).toEqual(whole);
    });

    test('scoring leaks no tensor', async () => {
      const { numTensors } = tf.memory();
      await detector.score(windowsOf(dataset));
      expect(tf.memory().numTensors).toBe(numTensors);
    });

    test('the report contains the units in use of each level, and none has collapsed', () => {
      const { report } = trained;
      expect(report.latentDims).toEqual(model.kind === 'hvae' ? [2, 3] : [3]);
      expect(report.activeUnitsPerLevel).toHaveLength(report.latentDims.length);
      expect(report.activeUnitsPerLevel[0]).toBeGreaterThan(0);
      expect(report.skippedSteps).toBe(0);
    });

    test('a seed determines the model, and training leaks no tensor', async () => {
      const { numTensors } = tf.memory();
      const weights = async (seed: number): Promise<string> => {
        const again = await train(dataset, table, { ...own, epochs: 1, seed });
        const text = JSON.stringify([...again.model.weights.values()].map((v) => Array.from(v.dataSync())));
        disposeModel(again.model);
        return text;
      };
      const first = await weights(1);
      expect(await weights(1)).toBe(first);
      // A closed form has no seed.
      expect((await weights(2)) === first).toBe(hasClosedForm);
      expect(tf.memory().numTensors).toBe(numTensors);
    });

    test('it trains on data with missing values, and a missing channel adds nothing to a score', async () => {
      const random = createRandom(6);
      const holed = toDataset(
        createRecords(600, 1, table, (values) =>
          values.forEach((_value, i) => random.uniform() < 0.2 && (values[i] = NaN)),
        ).batch,
      );
      const { model: other, state, report } = await train(holed, table, { ...own, epochs: 2 });
      expect(report.skippedSteps).toBe(0);
      expect(Number.isFinite(report.validationLoss)).toBe(true);
      const batch = windowsOf(holed, holed.ends.slice(0, 3));
      batch.values.forEach((_value, i) => i % 4 === 2 && (batch.values[i] = NaN));
      const scores = await createDetector('v1', state, other, table).score(batch);
      expect(scores.surprise.every(Number.isFinite)).toBe(true);
      const missing = scores.contributions(1).find(({ channel }) => channel === 'temperature')!;
      // It is imputed with the expected value, up to the tolerance of the imputation.
      expect(missing.contribution).toBeCloseTo(0, 1);
      disposeModel(other);
    });

    test('steps that are not finite are skipped and counted, and training continues', async () => {
      // A sensor may report infinity; the scaler does not remove it.
      const wild = toDataset(
        createRecords(600, 1, table, (values, i) => {
          if (i === 50) values[0] = Infinity;
        }).batch,
      );
      const { model: other, report } = await train(wild, table, { ...own, epochs: 2 });
      // The windows that hold that record come in one to four batches an epoch, each with a step of every phase that reads x.
      if (hasClosedForm) expect(report).toMatchObject({ steps: 0, trainingEngine: 'closed form' });
      else {
        expect(report.skippedSteps).toBeGreaterThanOrEqual(2 * other.phases.length);
        expect(report.skippedSteps).toBeLessThan(report.steps);
      }
      expect(Number.isFinite(report.validationLoss)).toBe(true);
      disposeModel(other);
    });
  });
}
