import { createPrior, type Prior } from '../../src/models/prior';
import { createRandom, scoped, tf } from '../../src/tensor';
import { openTestBackend } from '../backend';

beforeAll(async () => {
  await openTestBackend('wasm');
});

const kinds = ['normal', 'mixture', 'uniform', 'swiss-roll'] as const;
const create = (prior: (typeof kinds)[number], latentDim = 2): Prior =>
  createPrior({ prior, latentDim, mixtureModes: 5 });

const densities = (prior: Prior, points: readonly (readonly number[])[]): number[] =>
  scoped(() => {
    const z = tf.tensor2d(points.map((point) => [...point]));
    return Array.from(tf.sum(prior.negativeLogPrior(z), 1).dataSync(), (value) => Math.exp(-value));
  });

describe.each(kinds)('%s', (kind) => {
  test('the density integrates to 1', () => {
    const [half, cells] = [3.6, 120];
    const side = (2 * half) / cells;
    const at = (i: number): number => -half + (i + 0.5) * side;
    const points = Array.from({ length: cells ** 2 }, (_, i) => [at(i % cells), at(Math.floor(i / cells))]);
    const sum = densities(create(kind), points).reduce((total, p) => total + p * side * side, 0);
    expect(sum).toBeCloseTo(1, 2);
  });

  test('no code is likelier than the likeliest one', () => {
    const prior = create(kind, 4);
    const { terms, least } = scoped(() => {
      const z = prior.draw(2000, createRandom(3), 0.3);
      return {
        terms: prior.negativeLogPrior(z).dataSync<'float32'>().slice(),
        least: prior.leastNegativeLogPrior,
      };
    });
    const excess = Array.from(terms, (value, i) => value - least[i % 4]!);
    expect(Math.min(...excess)).toBeGreaterThan(-0.05);
    expect(Math.min(...excess)).toBeLessThan(0.05);
  });

  test('draws follow the density', () => {
    // Over boxes: the share of draws in one against the density summed over it.
    const prior = create(kind);
    const count = 10_000;
    const draws = scoped(() => prior.draw(count, createRandom(7)).dataSync<'float32'>().slice());
    const fine = 20;
    for (const [x, y] of [
      [0, 0],
      [1, 1],
      [-1.5, 0.5],
      [1.5, -1.5],
      [-2, -2],
    ] as const) {
      let inside = 0;
      for (let i = 0; i < count; i++) {
        if (Math.abs(draws[2 * i]! - x) < 0.5 && Math.abs(draws[2 * i + 1]! - y) < 0.5) inside++;
      }
      const points = Array.from({ length: fine ** 2 }, (_, i) => [
        x - 0.5 + ((i % fine) + 0.5) / fine,
        y - 0.5 + (Math.floor(i / fine) + 0.5) / fine,
      ]);
      const expected = densities(prior, points).reduce((sum, p) => sum + p / fine ** 2, 0);
      expect(Math.abs(inside / count - expected)).toBeLessThan(0.012);
    }
  });

  test('a distant code has a finite density, and all dimensions count', () => {
    scoped(() => {
      const prior = create(kind, 4);
      const z = tf.tensor2d([
        [0, 0, 0, 0],
        [0, 0, 0, 9],
        [1e4, 0, 0, 0],
      ]);
      const [near, far, further] = tf.sum(prior.negativeLogPrior(z), 1).dataSync();
      expect(far!).toBeGreaterThan(near! + 20);
      expect(further!).toBeGreaterThan(far!);
      expect(Number.isFinite(further)).toBe(true);
      expect(prior.draw(3, createRandom(1)).shape).toEqual([3, 4]);
    });
  });
});
