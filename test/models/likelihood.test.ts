import { createLikelihood, logGamma } from '../../src/models/likelihood';
import type { AnyModelSpec } from '../../src/models/zoo';
import { createRandom, scoped, tf } from '../../src/tensor';
import { createSpec } from './spec';
import { openTestBackend } from '../backend';

beforeAll(async () => {
  await openTestBackend('cpu');
});

/** −log p(x|z) of single values, with a variance of about `variance`. */
function negativeLogLikelihoods(
  xs: readonly number[],
  outputs: readonly number[],
  { variance = 1, ...changes }: Partial<AnyModelSpec> & { variance?: number },
): number[] {
  return scoped(() => {
    const spec = createSpec({
      length: 1,
      channels: 1,
      conditionDim: 0,
      minVariance: variance * 0.999999,
      maxVariance: variance * 1.000001,
      ...changes,
    });
    const { weights, negativeLogLikelihood } = createLikelihood(spec, createRandom(1));
    const column = (values: readonly number[]): tf.Tensor2D => tf.tensor2d([...values], [values.length, 1]);
    const examples = { x: column(xs), mask: column(xs.map(() => 1)), c: undefined };
    const result = Array.from(negativeLogLikelihood(examples, column(outputs)).dataSync());
    for (const variable of weights.values()) variable.dispose();
    return result;
  });
}

test('log Γ has known values', () => {
  expect(logGamma(1)).toBeCloseTo(0, 9);
  expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.sqrt(Math.PI)), 9);
  expect(logGamma(5)).toBeCloseTo(Math.log(24), 9);
  expect(logGamma(171)).toBeCloseTo(
    Array.from({ length: 170 }, (_, i) => Math.log(i + 1)).reduce((a, b) => a + b),
    8,
  );
});

test("student-t with one degree of freedom is Cauchy's distribution", () => {
  const [value] = negativeLogLikelihoods([3], [1], {
    likelihood: 'student-t',
    degreesOfFreedom: 1,
    variance: 4,
  });
  // 1 / (πσ(1 + (Δ/σ)²)) with Δ = 2, σ = 2
  expect(value).toBeCloseTo(Math.log(Math.PI * 2 * (1 + 1)), 4);
});

test('student-t with many degrees of freedom is the Gaussian, and with few an outlier costs less', () => {
  const at = (x: number, changes: Partial<AnyModelSpec>): number =>
    negativeLogLikelihoods([x], [0], changes)[0]!;
  const many = { likelihood: 'student-t', degreesOfFreedom: 1e5 } as const;
  expect(at(1.5, many)).toBeCloseTo(at(1.5, { likelihood: 'gaussian' }), 3);
  expect(at(10, { likelihood: 'student-t', degreesOfFreedom: 3 })).toBeLessThan(
    at(10, { likelihood: 'gaussian' }) / 4,
  );
});

test('bernoulli is the cross-entropy, and finite for extreme logits', () => {
  const logit = 0.7;
  const p = 1 / (1 + Math.exp(-logit));
  const values = negativeLogLikelihoods([1, 0, 0.3, 1, 0], [logit, logit, logit, -100, -100], {
    likelihood: 'bernoulli',
  });
  const expected = [-Math.log(p), -Math.log(1 - p), -0.3 * Math.log(p) - 0.7 * Math.log(1 - p), 100, 0];
  values.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 4));
});

describe('discretised-logistic', () => {
  const all = Array.from({ length: 256 }, (_, byte) => byte / 255);
  test.each([
    [0.3, 0.01],
    [0.99, 1e-4],
    [-0.5, 0.04],
    [0.5, 4],
  ])('the 256 probabilities around %f with variance %f sum to 1', (mean, variance) => {
    const values = negativeLogLikelihoods(
      all,
      all.map(() => mean),
      {
        likelihood: 'discretised-logistic',
        variance,
      },
    );
    const sum = values.reduce((total, value) => total + Math.exp(-value), 0);
    expect(sum).toBeCloseTo(1, 3);
  });

  test('it is finite for a nearly impossible byte', () => {
    const values = negativeLogLikelihoods([0, 1, 0.5], [40, -40, 90], {
      likelihood: 'discretised-logistic',
      variance: 1e-4,
    });
    // About |x − mean| / s, s = σ·√3/π
    const scale = (0.01 * Math.sqrt(3)) / Math.PI;
    [40, 41, 89.5].forEach((distance, i) => expect(values[i]! / (distance / scale)).toBeCloseTo(1, 2));
  });
});

test.each(['gaussian', 'student-t', 'discretised-logistic'] as const)(
  '%s: the learned variance stays within its bounds',
  (likelihood) => {
    scoped(() => {
      const spec = createSpec({
        likelihood,
        length: 1,
        channels: 1,
        conditionDim: 1,
        minVariance: 0.5,
        maxVariance: 2,
      });
      const { weights, negativeLogLikelihood } = createLikelihood(spec, createRandom(1));
      // All channels begin alike, at no condition; here the condition decides.
      for (const variable of weights.values()) variable.assign(tf.onesLike(variable));
      const x = tf.zeros<tf.Rank.R2>([1, 1]);
      const at = (c: number): number =>
        negativeLogLikelihood({ x, mask: tf.ones([1, 1]), c: tf.tensor2d([[c]]) }, x).dataSync()[0]!;
      const ends = [at(1e6), at(-1e6)].sort((a, b) => a - b);
      const [low, high] = [0.5, 2].map(
        (variance) => negativeLogLikelihoods([0], [0], { likelihood, variance })[0]!,
      );
      expect(ends[0]).toBeCloseTo(low!, 4);
      expect(ends[1]).toBeCloseTo(high!, 4);
      for (const variable of weights.values()) variable.dispose();
    });
  },
);
