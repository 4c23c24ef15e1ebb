import type { Model, WindowArrays } from '../../src/models/model';
import { disposeModel } from '../../src/models/model';
import { principalComponents, symmetricEigen } from '../../src/models/principal-components';
import { createModel } from '../../src/models/zoo';
import { createRandom, scoped, tf } from '../../src/tensor';
import { openTestBackend } from '../backend';
import { createSpec } from './spec';

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
