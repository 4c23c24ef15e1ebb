/** Augmentation: a small classifier of modes with few real windows gets generated ones of each mode. */
import { createCategoryTable, type CategoryTable } from '../../src/domain/condition';
import { createWindowBatch } from '../../src/domain/window';
import { disposeModel } from '../../src/models/model';
import { createMlp } from '../../src/models/network';
import { generateWindows } from '../../src/scoring/generate';
import { createRandom, scoped, tf } from '../../src/tensor';
import type { Dataset } from '../../src/training/dataset';
import { train } from '../../src/training/train';
import { createRecords, modeRecords, options, shape, toDataset } from '../models/synthetic';
import { openTestBackend } from '../backend';

const modes = ['idle', 'busy'] as const;
const dim = shape.length * shape.channels;
const modeAt = (row: number): number => Math.floor(row / modeRecords) % 2;

/** Two quantities with a positive correlation in one mode and a negative one in the other; each alone does not show the mode. */
function createData(count: number, seed: number, table: CategoryTable): Dataset {
  const random = createRandom(seed);
  const { batch } = createRecords(count, seed, table, (values, i) => {
    const a = random.normal();
    const sign = modeAt(i) === 0 ? 1 : -1;
    values.set([a, 0.9 * sign * a + 0.4 * random.normal(), random.normal(), 0.5 * a + random.normal()]);
  });
  return toDataset(batch);
}

/** Windows that lie within one mode, with the number of that mode. */
interface Labelled {
  windows: Float64Array[];
  labels: number[];
}

function labelled(data: Dataset): Labelled {
  const ends = Array.from(data.ends).filter((end) => modeAt(end) === modeAt(end - shape.length + 1));
  const batch = createWindowBatch(shape, ends.length);
  for (const end of ends) data.copy(end, batch);
  return {
    windows: ends.map((_, i) => batch.values.slice(i * dim, (i + 1) * dim) as Float64Array),
    labels: ends.map(modeAt),
  };
}

/** The same number of windows of each mode. */
function pick({ windows, labels }: Labelled, perMode: number, seed: number): Labelled {
  const order = Int32Array.from(labels.keys());
  createRandom(seed).shuffle(order);
  const chosen = modes.flatMap((_, mode) =>
    Array.from(order)
      .filter((i) => labels[i] === mode)
      .slice(0, perMode),
  );
  return { windows: chosen.map((i) => windows[i]!), labels: chosen.map((i) => labels[i]!) };
}

const join = (a: Labelled, b: Labelled): Labelled => ({
  windows: [...a.windows, ...b.windows],
  labels: [...a.labels, ...b.labels],
});

/** Trains a small network on the windows and returns the share of the test windows whose mode it finds. */
function accuracy(given: Labelled, test: Labelled, seed: number): number {
  const toTensor = ({ windows }: Labelled): tf.Tensor2D =>
    tf.tensor2d(
      windows.flatMap((window) => Array.from(window)),
      [windows.length, dim],
    );
  const network = createMlp({ name: 'classifier', sizes: [dim, 32, 1], random: createRandom(seed) });
  const optimizer = tf.train.adam(1e-2);
  const share = scoped(() => {
    const x = toTensor(given);
    const y = tf.tensor2d(given.labels, [given.labels.length, 1]);
    for (let step = 0; step < 150; step++)
      scoped(() =>
        optimizer.minimize(
          () => {
            const logits = network.apply(x);
            return tf.mean(tf.sub(tf.softplus(logits), tf.mul(y, logits)));
          },
          false,
          [...network.weights.values()],
        ),
      );
    const logits = network.apply(toTensor(test)).dataSync();
    return test.labels.filter((label, i) => logits[i]! > 0 === (label === 1)).length / test.labels.length;
  });
  optimizer.dispose();
  for (const variable of network.weights.values()) variable.dispose();
  return share;
}

/** Windows of each mode from a cvae that was trained on this data. */
async function generated(
  data: Dataset,
  table: CategoryTable,
  perMode: number,
  epochs: number,
): Promise<Labelled> {
  const { state, model } = await train(data, table, {
    ...options,
    model: { ...options.model, kind: 'cvae', latentDim: 6, hidden: [64] },
    epochs,
    patience: epochs,
    learningRate: 1e-2,
  });
  const parts = modes.map((mode, label): Labelled => {
    const values = generateWindows(state, model, table, {
      count: perMode,
      conditions: { mode },
      timestamp: 0,
      temperature: 1,
      seed: 3,
    });
    return {
      windows: Array.from({ length: perMode }, (_, i) => values.slice(i * dim, (i + 1) * dim)),
      labels: new Array<number>(perMode).fill(label),
    };
  });
  disposeModel(model);
  return join(parts[0]!, parts[1]!);
}

const mean = (values: readonly number[]): number => values.reduce((sum, one) => sum + one / values.length, 0);

test('a classifier with few real windows improves with generated ones of each mode', async () => {
  await openTestBackend('wasm');
  const table = createCategoryTable();
  const history = createData(2000, 1, table);
  const test = labelled(createData(1000, 2, table));
  const few = createData(200, 5, table);
  const fromHistory = await generated(history, table, 300, 40);
  const fromFew = await generated(few, table, 300, 100);

  const seeds = [1, 2, 3, 4, 5];
  const real = seeds.map((seed) => pick(labelled(few), 10, seed));
  const scores = {
    real: mean(real.map((own, i) => accuracy(own, test, i))),
    withHistory: mean(real.map((own, i) => accuracy(join(own, fromHistory), test, i))),
    withFew: mean(real.map((own, i) => accuracy(join(own, fromFew), test, i))),
  };
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  process.stdout.write(
    `modes classified correctly: ${percent(scores.real)} from 10 real windows of each, ${percent(scores.withHistory)} with 300 ` +
      `generated ones by a model of 2,000 records, ${percent(scores.withFew)} by a model of 200 records\n`,
  );
  expect(scores.withHistory).toBeGreaterThan(scores.real + 0.05);
  expect(tf.memory().numTensors).toBe(0);
}, 120_000);
