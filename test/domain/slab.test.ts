import fc from 'fast-check';
import { createSlabs } from '../../src/domain/slab';

test('each item has memory of its own, zeros at first', () => {
  const anySize = fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 1_500_000 }));
  fc.assert(
    fc.property(anySize, fc.integer({ min: 1, max: 5 }), (size, count) => {
      const take = createSlabs(size);
      const places = Array.from({ length: count }, take);
      const partOf = ({ slab, at }: (typeof places)[number]): Uint8Array =>
        slab.bytes.subarray(at, at + size);
      for (const [i, place] of places.entries()) {
        const part = partOf(place);
        expect(part).toHaveLength(size);
        expect(place.at % 64).toBe(0);
        expect(Buffer.compare(part, Buffer.alloc(size))).toBe(0);
        part.fill(i + 1);
      }
      places.forEach((place, i) => expect(Buffer.compare(partOf(place), Buffer.alloc(size, i + 1))).toBe(0));
    }),
    { numRuns: 20 },
  );
});

test('thousands of small items share a buffer', () => {
  const take = createSlabs(100);
  const buffers = new Set(Array.from({ length: 10_000 }, () => take().slab.bytes.buffer));
  expect(buffers.size).toBe(2);
});
