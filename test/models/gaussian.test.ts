import { gaussianFrom, kl, negativeLogDensity, reparametrise } from '../../src/models/gaussian';
import { createRandom, scoped, tf } from '../../src/tensor';
import { openTestBackend } from '../backend';

beforeAll(async () => {
  await openTestBackend('cpu');
});

const gaussian = (mean: number[], logVar: number[]) => ({
  mean: tf.tensor2d([mean]),
  logVar: tf.tensor2d([logVar]),
});

test('the KL of a Gaussian to itself is 0, and to another one has the closed form', () => {
  scoped(() => {
    const q = gaussian([0.5, -1], [0.2, -0.4]);
    expect(kl(q, q).dataSync()[0]).toBeCloseTo(0, 6);
    const p = gaussian([0, 0], [0, 0]);
    // ½ Σ (σ² + μ² − 1 − log σ²)
    const expected = 0.5 * (Math.exp(0.2) + 0.25 - 1 - 0.2) + 0.5 * (Math.exp(-0.4) + 1 - 1 + 0.4);
    expect(kl(q, p).dataSync()[0]).toBeCloseTo(expected, 5);
  });
});

test('the KL agrees with its Monte Carlo estimate', () => {
  scoped(() => {
    const q = gaussian([1], [-1]);
    const p = gaussian([0.2], [0.5]);
    const random = createRandom(3);
    let sum = 0;
    const draws = 20_000;
    for (let i = 0; i < draws; i++) {
      const z = 1 + Math.exp(-0.5) * random.normal();
      const logQ = -0.5 * ((z - 1) ** 2 / Math.exp(-1) - 1);
      const logP = -0.5 * ((z - 0.2) ** 2 / Math.exp(0.5) + 0.5);
      sum += (logQ - logP) / draws;
    }
    expect(kl(q, p).dataSync()[0]).toBeCloseTo(sum, 1);
  });
});

test('the density is that of the normal distribution', () => {
  scoped(() => {
    const nll = negativeLogDensity(tf.tensor2d([[1.5]]), gaussian([1], [Math.log(4)]));
    expect(nll.dataSync()[0]).toBeCloseTo(0.5 * (0.25 / 4 + Math.log(4) + Math.log(2 * Math.PI)), 6);
  });
});

test('a draw without noise is the mean, and one unit of noise is one standard deviation', () => {
  scoped(() => {
    const q = gaussian([2], [Math.log(9)]);
    expect(reparametrise(q, tf.tensor2d([[0]])).dataSync()[0]).toBeCloseTo(2, 6);
    expect(reparametrise(q, tf.tensor2d([[1]])).dataSync()[0]).toBeCloseTo(5, 5);
  });
});

test('the log-variance is bounded for every output of the network', () => {
  scoped(() => {
    const { logVar } = gaussianFrom(tf.tensor2d([[0, 1e6]]));
    expect(logVar.dataSync()[0]).toBeLessThanOrEqual(6);
  });
});
