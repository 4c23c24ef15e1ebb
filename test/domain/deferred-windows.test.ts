import fc from 'fast-check';
import {
  clearWindows,
  completeWindow,
  createWindowBatch,
  type RecordEncoder,
  type WindowBatch,
  type WindowShape,
} from '../../src/domain/window';
import { createWindowStore } from '../../src/domain/window-store';

const encoder: RecordEncoder = {
  recordConditionDim: 0,
  encodeRecord({ values }, row, x, xAt) {
    for (let j = 0; j < 2; j++) x[xAt + j] = values[row * 2 + j]!;
    return 0;
  },
};
const capacity = 20;

function createBatch(shape: WindowShape, defers: boolean): WindowBatch {
  const encoded = {
    encoder,
    count: 0,
    x: new Float32Array(capacity * shape.length * shape.channels),
    mask: new Float32Array(capacity * shape.length * shape.channels),
    c: new Float32Array(),
    lacking: new Uint8Array(capacity),
    lackingCount: 0,
    unknownConditions: 0,
  };
  return createWindowBatch(shape, capacity, encoded, { defers });
}

function recordsOf({ values, conditions, timestamps, count, encoded }: WindowBatch, length: number): string {
  const rows = count * length;
  const columns = [values.subarray(0, 2 * rows), encoded!.x.subarray(0, 2 * rows)];
  return [...columns, conditions.subarray(0, rows), timestamps.subarray(0, rows)].join('; ');
}

const record = fc.record({
  key: fc.constantFrom('a', 'a', 'b', 'c', 'd'),
  step: fc.constantFrom(1, 1, 1, 2, 7, 40),
  missing: fc.constantFrom(false, false, false, false, true),
});

test('records that are asked for later are those of the moment when their window joined the batch', () => {
  fc.assert(
    fc.property(
      fc.array(record, { minLength: 20, maxLength: 60 }),
      fc.integer({ min: 3, max: capacity }),
      fc.record({
        length: fc.integer({ min: 2, max: 5 }),
        gaps: fc.constantFrom('ignore', 'break', 'fill'),
        padding: fc.constantFrom('none', 'missing'),
        maxKeys: fc.constantFrom(2, 10),
      }),
      (records, size, { length, ...rules }) => {
        const shape = { length, channels: 2, conditions: 1 };
        const limits = { ...rules, ttlMs: 30, intervalMs: 1 } as const;
        const [later, atOnce] = [createWindowStore(shape, limits), createWindowStore(shape, limits)];
        const pairs = [0, 1].map(() => [createBatch(shape, true), createBatch(shape, false)] as const);
        const results: { later: unknown[]; atOnce: unknown[] } = { later: [], atOnce: [] };
        let time = 100;
        for (let from = 0; from <= records.length; from += size) {
          // One batch is filled while the windows of the one before may be asked for.
          const [deferring, whole] = pairs[(from / size) % 2]!;
          clearWindows(deferring);
          clearWindows(whole);
          records.slice(from, from + size).forEach(({ key, step, missing }, i) => {
            time += step;
            const row = [
              Float64Array.of(time),
              Float64Array.of(time, missing ? NaN : from + i),
              Float64Array.of(-time),
            ] as const;
            const result = later.push(key, 0, ...row);
            results.later.push(result);
            results.atOnce.push(atOnce.push(key, 0, ...row));
            if (result !== 'ready') return;
            later.copy(key, deferring);
            atOnce.copy(key, whole);
          });
          const [asked, expected] = pairs[(from / size + 1) % 2]!;
          for (let window = asked.count - 1; window >= 0; window--) completeWindow(asked, window);
          expect(recordsOf(asked, length)).toBe(recordsOf(expected, length));
          asked.deferred?.end();
        }
        // One assertion for all records, as an assertion costs more than a record.
        expect(results.later).toEqual(results.atOnce);
      },
    ),
  );
});

test('only the newest record is copied while nobody asks for the others', () => {
  const shape = { length: 2, channels: 2, conditions: 1 };
  const store = createWindowStore(shape, {
    maxKeys: 2,
    ttlMs: 9,
    intervalMs: 0,
    gaps: 'ignore',
    padding: 'none',
  });
  const push = (time: number) =>
    store.push('a', 0, Float64Array.of(time), Float64Array.of(time, -time), Float64Array.of(time));
  const batch = createBatch(shape, true);
  push(1);
  push(2);
  // The first one is encoded as a whole.
  store.copy('a', batch);
  push(3);
  store.copy('a', batch);
  push(4);
  expect(Array.from(batch.timestamps.slice(2, 4))).toEqual([0, 3]);
  completeWindow(batch, 1);
  expect(Array.from(batch.timestamps.slice(2, 4))).toEqual([2, 3]);
  expect(Array.from(batch.values.slice(4, 8))).toEqual([2, -2, 3, -3]);
});
