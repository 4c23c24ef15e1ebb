import { baselineDrift, median, underDrift } from '../../src/calibration/baseline-drift';
import { seededNormal } from './seeded';

test('stationary scores have little drift, less with more of them', () => {
  const normal = seededNormal(1);
  const drift = (n: number) => baselineDrift(Float64Array.from({ length: n }, () => normal()));
  expect(drift(400)).toBeLessThan(0.7);
  expect(drift(100_000)).toBeLessThan(0.05);
});

test('a random walk drifts by its change over the length of the block', () => {
  const normal = seededNormal(2);
  const drifts = Array.from({ length: 200 }, () => {
    let level = 0;
    return baselineDrift(Float64Array.from({ length: 400 }, () => (level += normal())));
  });
  const meanSquare = drifts.reduce((sum, drift) => sum + drift ** 2 / drifts.length, 0);
  // A walk of 400 unit steps has a variance of 400; medians of quarters smooth some of it away.
  expect(Math.sqrt(meanSquare)).toBeGreaterThan(14);
  expect(Math.sqrt(meanSquare)).toBeLessThan(22);
});

test('too few scores have no drift', () => {
  expect(baselineDrift(Float64Array.from({ length: 39 }, (_, i) => i))).toBe(0);
});

test('the median is the middle value', () => {
  expect(median(Float64Array.of(3, 1, 2))).toBe(2);
  expect(median(Float64Array.of(4, 1, 3, 2))).toBe(3);
  expect(median(new Float64Array())).toBeNaN();
});

/** exp(−x) under a normal error of the level: exp(−x + σ²/2), in closed form. */
test('the mean over the baseline equals the integral', () => {
  const p = underDrift((score) => Math.exp(-score), 0.5);
  for (const score of [1, 3, 8]) expect(p(score) / Math.exp(-score + 0.125)).toBeCloseTo(1, 4);
});

test('without drift nothing changes', () => {
  const p = (score: number) => 1 / (1 + score);
  expect(underDrift(p, 0)).toBe(p);
});

test('grows with time as a random walk does', () => {
  const scores = Float64Array.from({ length: 400 }, (_, i) => Math.sin(i / 50));
  expect(baselineDrift(scores, 4)).toBeCloseTo(2 * baselineDrift(scores, 1), 12);
});
