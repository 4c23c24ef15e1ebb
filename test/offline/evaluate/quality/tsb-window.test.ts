import fc from 'fast-check';
import { tsbWindow } from '../../../../src/offline/evaluate/quality/tsb-window';

const wave = (period: number, length: number): Float64Array =>
  Float64Array.from({ length }, (_, i) => Math.sin((2 * Math.PI * i) / period));

test.each([6, 24, 88, 250, 303])('the period of a wave of %i records', (period) => {
  expect(tsbWindow(wave(period, 5000))).toBe(period);
});

test('the first of several periods is the highest; a faster ripple of less weight does not count', () => {
  const slow = wave(60, 3000);
  const fast = wave(6, 3000);
  expect(tsbWindow(slow.map((value, i) => value + 0.2 * fast[i]!))).toBe(60);
});

test.each([
  ['a constant', new Float64Array(1000).fill(7)],
  ['a ramp', Float64Array.from({ length: 1000 }, (_, i) => i)],
  ['a period beyond 303', wave(350, 5000)],
  ['a period below 6', Float64Array.from({ length: 5000 }, (_, i) => (i % 5) ** 2 * 0.99 ** i)],
  ['two records', new Float64Array([1, 2])],
  ['no records', new Float64Array(0)],
])('125 for %s', (_, values) => {
  expect(tsbWindow(values)).toBe(125);
});

test('records after the first 20,000 do not count', () => {
  const values = new Float64Array(60_000);
  values.set(wave(24, 20_000));
  values.set(wave(100, 40_000), 20_000);
  expect(tsbWindow(values)).toBe(24);
});

test('equals the definition: the highest interior local maximum of the autocorrelation', () => {
  const values = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(values, fc.integer({ min: 2, max: 20 }), (noise, period) => {
      const series = Float64Array.from(
        noise,
        (value, i) => value / 20 + 3 * Math.cos((2 * Math.PI * i) / period),
      );
      const mean = series.reduce((a, b) => a + b, 0) / series.length;
      const covariance = (lag: number): number =>
        series.slice(lag).reduce((sum, value, i) => sum + (value - mean) * (series[i]! - mean), 0);
      const rho = Array.from(series, (_, lag) => covariance(lag) / covariance(0)).slice(3);
      const maxima = rho.flatMap((value, i) =>
        i > 0 && i < rho.length - 1 && value > rho[i - 1]! && value > rho[i + 1]! ? [{ value, i }] : [],
      );
      const best = maxima.sort((a, b) => b.value - a.value || b.i - a.i)[0];
      const expected = best === undefined || best.i < 3 || best.i > 300 ? 125 : best.i + 3;
      expect(tsbWindow(series)).toBe(expected);
    }),
  );
});
