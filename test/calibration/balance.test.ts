import { createBalance, fitBalance } from '../../src/calibration/balance';
import { seededNormal } from './seeded';

const always = (): boolean => true;
const count = 2000;

/**
 * Contributions of a channel whose noise has bursts, and of three quiet ones. Shape [count, 4].
 * @param shift of the second channel, in standard deviations
 */
function contributionsOf(seed: number, shift = 0): Float64Array {
  const normal = seededNormal(seed);
  return Float64Array.from({ length: 4 * count }, (_, i) => {
    if (i % 4 === 0) return 30 * Math.exp(1.5 * normal());
    return 0.5 * (normal() + (i % 4 === 1 ? shift : 0)) ** 2;
  });
}

/** Share of the values above what 1 % of the normal ones exceed. */
function foundAt1Percent(normal: Float64Array, faulty: Float64Array): number {
  const threshold = Float64Array.from(normal).sort()[Math.floor(0.99 * count)]!;
  return faulty.filter((value) => value > threshold).length / count;
}

const sums = (contributions: Float64Array): Float64Array =>
  Float64Array.from({ length: count }, (_, i) =>
    contributions.subarray(4 * i, 4 * i + 4).reduce((sum, value) => sum + value, 0),
  );

test('a channel with bursts does not hide a fault of a quiet one, which the plain sum does', () => {
  const balance = createBalance(fitBalance(contributionsOf(1), 4, always));
  const [normal, faulty] = [contributionsOf(2), contributionsOf(3, 20)];
  expect(foundAt1Percent(balance(normal, count), balance(faulty, count))).toBeGreaterThan(0.95);
  expect(foundAt1Percent(sums(normal), sums(faulty))).toBeLessThan(0.05);
});

test('the unit is what one of ten records with a value exceeds', () => {
  const contributions = Float64Array.from({ length: 200 }, (_, i) => Math.floor(i / 2) + 1);
  // The second channel reports in the first ten records.
  const units = fitBalance(contributions, 2, (record, channel) => channel === 0 || record < 10);
  expect(units).toEqual([91, 10]);
  expect(Array.from(createBalance(units)([91, 10, 182, 0], 2))).toEqual([2, 2]);
});

test('a channel without error, or without any value, does not outweigh the others', () => {
  const contributions = Float64Array.from({ length: 300 }, (_, i) => [30, 0, 5][i % 3]!);
  expect(fitBalance(contributions, 3, (_, channel) => channel < 2)).toEqual([30, 1, 1]);
  expect(fitBalance(new Float64Array(30), 3, always)).toEqual([1, 1, 1]);
});
