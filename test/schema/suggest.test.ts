import fc from 'fast-check';
import { editDistance, nearest } from '../../src/schema/suggest';

test.each([
  ['', '', 0],
  ['', 'abc', 3],
  ['prot', 'port', 1],
  ['latnetDim', 'latentDim', 1],
  ['kitten', 'sitting', 3],
])('from %j to %j there are %d steps', (a, b, steps) => {
  expect(editDistance(a, b)).toBe(steps);
});

test('the distance is the same both ways and bounded by the longer word', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), (a, b) => {
      const distance = editDistance(a, b);
      expect(distance).toBe(editDistance(b, a));
      expect(distance === 0).toBe(a === b);
      expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
    }),
  );
});

test('a word that is near to nothing gets no suggestion', () => {
  expect(nearest('kafka', ['length', 'maxKeys'])).toBeUndefined();
  expect(nearest('LATENTDIM', ['hidden', 'latentDim'])).toBe('latentDim');
});
