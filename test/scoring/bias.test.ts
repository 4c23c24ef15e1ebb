import { assessBias, fitBias } from '../../src/scoring/bias';
import { seededNormal } from '../calibration/seeded';

test('mean errors that keep their sign stand out, scattered errors do not', () => {
  const normal = seededNormal(4);
  /** Mean errors of windows of four records, the first of two channels shifted. */
  const windows = (shift: number): Float64Array =>
    Float64Array.from({ length: 500 * 2 }, (_, i) => 0.3 * (normal() / 2) + (i % 2 === 0 ? shift : 0));
  const state = fitBias(windows(0), 2);
  const median = (values: Float64Array) => Float64Array.from(values).sort()[250]!;
  const usual = median(assessBias(state, windows(0)));
  // One standard deviation of a single record, in which it would not be noticed.
  expect(median(assessBias(state, windows(0.3)))).toBeGreaterThan(3 * usual);
});

test('a channel without errors does not alarm for a tiny one', () => {
  const state = fitBias(new Float64Array(20), 1);
  expect(assessBias(state, Float64Array.of(0.01))[0]).toBeLessThan(0.1);
});
