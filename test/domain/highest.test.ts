import fc from 'fast-check';
import { seededUniform } from '../calibration/seeded';
import { highest } from '../../src/domain/highest';

test('it returns the beginning of the sorted items, whatever their order', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer()), fc.nat({ max: 12 }), (items, limit) => {
      const before = (a: number, b: number) => b - a;
      expect(highest(items, limit, before)).toEqual([...items].sort(before).slice(0, limit));
    }),
  );
});

test('of many items in any order it compares most with one other, so that a scrape is quick with 100,000 open events', () => {
  const uniform = seededUniform(1);
  const items = Array.from({ length: 10_000 }, uniform);
  let comparisons = 0;
  highest(items, 100, (a, b) => {
    comparisons++;
    return b - a;
  });
  expect(comparisons).toBeLessThan(2.5 * items.length);
});
