import fc from 'fast-check';
import { highest } from '../../src/domain/highest';

test('it returns the beginning of the sorted items, whatever their order', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer()), fc.nat({ max: 12 }), (items, limit) => {
      const before = (a: number, b: number) => b - a;
      expect(highest(items, limit, before)).toEqual([...items].sort(before).slice(0, limit));
    }),
  );
});
