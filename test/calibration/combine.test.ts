import fc from 'fast-check';
import { cauchyCombination } from '../../src/calibration/combine';
import { seededNormal } from './seeded';

const p = fc.double({ min: 1e-300, max: 1, noNaN: true });

/** P(X > t) of a standard Cauchy variable. */
const cauchySurvival = (t: number) => 0.5 - Math.atan(t) / Math.PI;

test('one p-value is only transformed', () => {
  for (const value of [0.5, 0.1, 1e-4, 1e-7]) {
    expect(cauchySurvival(cauchyCombination([value])) / value).toBeCloseTo(1, 6);
  }
});

test('is the mean of the transformed p-values', () => {
  const expected = (Math.tan(0.4 * Math.PI) + Math.tan(0.2 * Math.PI)) / 2;
  expect(cauchyCombination([0.1, 0.3])).toBeCloseTo(expected, 12);
});

test('a very normal statistic does not outvote an odd one', () => {
  expect(cauchyCombination([1, 0.01])).toBeGreaterThan(15);
  expect(cauchyCombination([1, 0.01])).toBeGreaterThan(cauchyCombination([0.1, 0.1]));
});

test('is finite for every p-value, the smallest and 1 included', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(p, fc.constantFrom(1, 1e-300)), { minLength: 1, maxLength: 5 }),
      (values) => {
        expect(cauchyCombination(values)).not.toBeNaN();
        expect(Math.abs(cauchyCombination(values))).toBeLessThan(Infinity);
      },
    ),
  );
});

test('grows when one of the p-values falls', () => {
  fc.assert(
    fc.property(p, p, p, (other, a, b) => {
      const [small, large] = [Math.min(a, b), Math.max(a, b)];
      expect(cauchyCombination([other, small])).toBeGreaterThanOrEqual(cauchyCombination([other, large]));
    }),
  );
});

test('has no step where the series takes over from the tangent', () => {
  const [below, above] = [cauchyCombination([0.999999e-8]), cauchyCombination([1.000001e-8])];
  expect(below / above).toBeCloseTo(1, 5);
  expect(below).toBeGreaterThan(above);
});

test.each([
  ['independent', 0],
  ['strongly dependent', 0.95],
])('keeps its level with p-values that are %s', (_, correlation) => {
  const normal = seededNormal(5);
  const n = 40_000;
  let alarms = 0;
  for (let i = 0; i < n; i++) {
    const first = normal();
    const second = correlation * first + Math.sqrt(1 - correlation ** 2) * normal();
    const values = [first, second].map(normalSurvival);
    if (cauchySurvival(cauchyCombination(values)) < 0.01) alarms++;
  }
  expect(alarms / n).toBeGreaterThan(0.007);
  expect(alarms / n).toBeLessThan(0.013);
});

/** P(Z > z), by the expansion of Abramowitz & Stegun 26.2.17 (absolute error below 7.5e-8). */
function normalSurvival(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const series =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const upper = (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * series;
  return z >= 0 ? upper : 1 - upper;
}
