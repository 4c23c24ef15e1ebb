import { createCvae } from '../../src/models/cvae';
import { disposeModel, trainStep, type Examples, type ModelSpec } from '../../src/models/model';
import { createRandom, openBackend, scoped, tf } from '../../src/tensor';

beforeAll(async () => {
  await openBackend('cpu');
});

const spec: ModelSpec = {
  kind: 'cvae',
  length: 3,
  channels: 2,
  conditionDim: 4,
  latentDim: 2,
  hidden: [8],
  minVariance: 1e-3,
  maxVariance: 10,
};

function createExamples(count: number, seed = 5): Examples {
  const random = createRandom(seed);
  return {
    x: random.normalTensor([count, 6]),
    mask: tf.ones([count, 6]),
    c: random.normalTensor([count, 4]),
  };
}

test('the gradients are those of finite differences', () => {
  scoped(() => {
    const model = createCvae(spec, createRandom(1));
    const examples = createExamples(4);
    const [phase] = model.phases;
    const lossAt = (): number => scoped(() => phase!.loss(examples, createRandom(9)).loss.dataSync()[0]!);
    const { grads } = tf.variableGrads(() => phase!.loss(examples, createRandom(9)).loss);
    for (const [name, variable] of model.weights) {
      const gradient = grads[variable.name]!.dataSync();
      const values = variable.dataSync<'float32'>().slice();
      const i = values.length >> 1;
      const nudge = (delta: number): number => {
        const moved = values.slice();
        moved[i]! += delta;
        scoped(() => variable.assign(tf.tensor(moved, variable.shape)));
        return lossAt();
      };
      const step = 1e-2;
      const numeric = (nudge(step) - nudge(-step)) / (2 * step);
      nudge(0);
      const error = Math.abs(gradient[i]! - numeric) / Math.max(1, Math.abs(numeric));
      expect({ name, error, agrees: error < 0.01 }).toMatchObject({ name, agrees: true });
    }
    disposeModel(model);
  });
});

test('the prior depends on the condition', () => {
  scoped(() => {
    const model = createCvae(spec, createRandom(1));
    const one = createExamples(1);
    const other = { ...one, c: tf.mul<tf.Tensor2D>(one.c!, -3) };
    const latent = (examples: Examples): number =>
      model.assess(examples).statistics['latent']!.dataSync()[0]!;
    expect(latent(one)).not.toBeCloseTo(latent(other), 3);
    disposeModel(model);
  });
});

test('a missing value has no part in the loss or the score', () => {
  scoped(() => {
    const model = createCvae(spec, createRandom(1));
    const { x, c } = createExamples(1);
    const mask = tf.tensor2d([[1, 1, 1, 0, 1, 1]]);
    const { distortion } = model.assess({ x: tf.mul(x, mask), mask, c });
    const values = Array.from(distortion.dataSync());
    expect(values[3]).toBeCloseTo(0, 10);
    expect(values.filter((v) => v !== 0)).toHaveLength(5);
    disposeModel(model);
  });
});

test('the contributions sum to the reconstruction statistic', () => {
  scoped(() => {
    const model = createCvae(spec, createRandom(1));
    const { distortion, statistics } = model.assess(createExamples(3));
    const sums = tf.sum(distortion, 1).dataSync();
    statistics['reconstruction']!.dataSync().forEach((value, i) => expect(value).toBeCloseTo(sums[i]!, 4));
    disposeModel(model);
  });
});

test('a step lowers the loss over time, leaks no tensor, and changes every variable', () => {
  const model = createCvae(spec, createRandom(1));
  const examples = createExamples(32);
  const optimizer = tf.train.adam(1e-2);
  const random = createRandom(2);
  const before = new Map([...model.weights].map(([name, v]) => [name, v.dataSync<'float32'>().slice()]));
  const first = trainStep(model.phases[0]!, optimizer, examples, random);
  const { numTensors } = tf.memory();
  let last = first;
  for (let i = 0; i < 100; i++) last = trainStep(model.phases[0]!, optimizer, examples, random);
  expect(tf.memory().numTensors).toBe(numTensors);
  expect(last.loss).toBeLessThan(first.loss);
  for (const [name, v] of model.weights) expect([name, v.dataSync()]).not.toEqual([name, before.get(name)]);
  optimizer.dispose();
  disposeModel(model);
  tf.dispose([examples.x, examples.mask, examples.c!]);
});

test('a step that is not finite is skipped and changes nothing', () => {
  const model = createCvae(spec, createRandom(1));
  const examples = createExamples(4);
  const broken = { ...examples, x: tf.tidy(() => tf.mul<tf.Tensor2D>(examples.x, NaN)) };
  const optimizer = tf.train.adam(1e-2);
  const before = [...model.weights.values()].map((v) => v.dataSync<'float32'>().slice());
  const result = trainStep(model.phases[0]!, optimizer, broken, createRandom(2));
  expect(result.skipped).toBe(true);
  expect([...model.weights.values()].map((v) => v.dataSync<'float32'>())).toEqual(before);
  optimizer.dispose();
  disposeModel(model);
  tf.dispose([examples.x, examples.mask, examples.c!, broken.x]);
});

test('without conditions it is a VAE with a constant prior', () => {
  scoped(() => {
    const model = createCvae({ ...spec, conditionDim: 0 }, createRandom(1));
    const { x, mask } = createExamples(2);
    const { statistics } = model.assess({ x, mask, c: undefined });
    expect(statistics['latent']!.shape).toEqual([2]);
    expect(Array.from(statistics['reconstruction']!.dataSync()).every(Number.isFinite)).toBe(true);
    disposeModel(model);
  });
});
