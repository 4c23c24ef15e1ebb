import { assessShift, fitShift, meanErrors } from '../../src/scoring/shift';
import { seededNormal } from '../calibration/seeded';

const shape = { length: 4, channels: 2, conditions: 0 };

test('the mean error is that of what was seen', () => {
  const x = Float32Array.of(1, 0, 2, 0, 3, 0, 6, 9);
  const expected = new Float32Array(8);
  const mask = Float32Array.of(1, 0, 1, 0, 1, 0, 1, 0);
  expect(Array.from(meanErrors(x, expected, mask, 1, shape))).toEqual([3, 0]);
});

test('errors that keep their sign add up where scattered ones of the same size do not', () => {
  const normal = seededNormal(4);
  const windows = (shift: number) => {
    const x = Float32Array.from({ length: 500 * 8 }, (_, i) => 0.3 * normal() + (i % 2 === 0 ? shift : 0));
    return meanErrors(x, new Float32Array(x.length), new Float32Array(x.length).fill(1), 500, shape);
  };
  const state = fitShift(windows(0), 2);
  const median = (values: Float64Array) => Float64Array.from(values).sort()[250]!;
  const usual = median(assessShift(state, windows(0)));
  // One standard deviation of a single record, which no single record would be noticed for.
  expect(median(assessShift(state, windows(0.3)))).toBeGreaterThan(3 * usual);
});

test('a channel that never errs does not alarm for a hair', () => {
  const state = fitShift(new Float64Array(20), 1);
  expect(assessShift(state, Float64Array.of(0.01))[0]).toBeLessThan(0.1);
});
