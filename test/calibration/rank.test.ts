import fc from 'fast-check';
import { createRank, valueAt } from '../../src/calibration/rank';

const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer({ min: -5, max: 5 }),
  fc.double({ min: 0, max: 1, noNaN: true }),
);

test('is the number of values below', () => {
  fc.assert(
    fc.property(fc.array(number, { maxLength: 60 }), fc.array(number), (values, others) => {
      const sorted = Float64Array.from(values).sort();
      const rank = createRank(sorted);
      // Those that are in it, and their next neighbours, too.
      const near = values.flatMap((value) => [value, value - Number.EPSILON, value + Number.EPSILON]);
      for (const value of [...others, ...near, Infinity, -Infinity])
        expect(rank(value)).toBe(values.filter((one) => one < value).length);
    }),
  );
});

test('of values whose range overflows', () => {
  const rank = createRank(Float64Array.of(-1e308, 0, 1.5e308));
  expect([-1e308, -5e307, 1e308, 1.5e308].map(rank)).toEqual([0, 1, 2, 2]);
});

test('the value of a rank is the one that sorting would put there', () => {
  fc.assert(
    fc.property(fc.array(number, { minLength: 1, maxLength: 70 }), fc.nat(69), (values, place) => {
      const sorted = Float64Array.from(values).sort();
      const rank = place % values.length;
      // −0 and 0 are equal.
      expect(valueAt(Float64Array.from(values), rank) + 0).toBe(sorted[rank]! + 0);
    }),
  );
});
