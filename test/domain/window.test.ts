import fc from 'fast-check';
import { createWindowBatch, createWindowStore, type WindowShape } from '../../src/domain/window';

const shape: WindowShape = { length: 3, channels: 2, conditions: 1 };
const limits = { maxKeys: 10, ttlMs: 1000 };

function createStore(overrides: Partial<typeof limits> = {}) {
  const store = createWindowStore(shape, { ...limits, ...overrides });
  return {
    store,
    /** The record's values and condition follow from its time. */
    push: (key: string, time: number) =>
      store.push(
        key,
        0,
        Float64Array.of(time),
        Float64Array.of(time + 0.1, time + 0.2),
        Float64Array.of(-time),
      ),
  };
}

test('a window is ready with its last record, and from then on with each', () => {
  const { push } = createStore();
  expect([1, 2, 3, 4].map((time) => push('a', time))).toEqual(['warming', 'warming', 'ready', 'ready']);
});

test('a row of a larger batch is taken by its number', () => {
  const store = createWindowStore({ length: 1, channels: 2, conditions: 1 }, limits);
  store.push('a', 1, Float64Array.of(5, 6), Float64Array.of(1, 2, 3, 4), Float64Array.of(7, 8));
  const batch = createWindowBatch({ length: 1, channels: 2, conditions: 1 }, 1);
  store.copy('a', batch);
  expect([...batch.timestamps, ...batch.values, ...batch.conditions]).toEqual([6, 3, 4, 8]);
});

test('a copied window holds the newest records of its key, oldest first, whatever came between', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 5 }),
      (keys, length) => {
        const store = createWindowStore({ length, channels: 1, conditions: 1 }, limits);
        const seen = new Map<string, number[]>();
        keys.forEach((key, i) => {
          const times = seen.get(key) ?? [];
          seen.set(key, times);
          times.push(i);
          const result = store.push(key, 0, Float64Array.of(i), Float64Array.of(10 * i), Float64Array.of(-i));
          expect(result).toBe(times.length >= length ? 'ready' : 'warming');
          if (result !== 'ready') return;
          const batch = createWindowBatch({ length, channels: 1, conditions: 1 }, 1);
          store.copy(key, batch);
          const newest = times.slice(-length);
          expect(Array.from(batch.timestamps)).toEqual(newest);
          expect(Array.from(batch.values)).toEqual(newest.map((time) => 10 * time));
          expect(Array.from(batch.conditions)).toEqual(newest.map((time) => -time));
        });
      },
    ),
  );
});

test('windows are copied one behind the other', () => {
  const { store, push } = createStore();
  const batch = createWindowBatch(shape, 2);
  for (const time of [1, 2, 3]) push('a', time);
  for (const time of [7, 8, 9]) push('b', time);
  store.copy('b', batch);
  store.copy('a', batch);
  expect(batch.count).toBe(2);
  expect(Array.from(batch.timestamps)).toEqual([7, 8, 9, 1, 2, 3]);
});

test('a record that is not newer than the last of its key is told apart and does not enter the window', () => {
  const { store, push } = createStore();
  for (const time of [1, 2, 5]) push('a', time);
  expect(push('a', 5)).toBe('duplicate');
  expect(push('a', 4)).toBe('out_of_order');
  expect(push('b', 4)).toBe('warming');
  const batch = createWindowBatch(shape, 1);
  store.copy('a', batch);
  expect(Array.from(batch.timestamps)).toEqual([1, 2, 5]);
});

test('a key that was silent for longer than its time to live starts a new window', () => {
  const { store, push } = createStore({ ttlMs: 1000 });
  for (const time of [1, 2, 3]) push('a', time);
  expect(push('a', 1003)).toBe('ready');
  expect(push('a', 2004)).toBe('warming');
  expect(push('a', 2005)).toBe('warming');
  expect(push('a', 2006)).toBe('ready');
  const batch = createWindowBatch(shape, 1);
  store.copy('a', batch);
  expect(Array.from(batch.timestamps)).toEqual([2004, 2005, 2006]);
});

describe('when there are more keys than allowed', () => {
  test('the least recently seen goes and begins again when it comes back', () => {
    const { store, push } = createStore({ maxKeys: 2 });
    for (const time of [1, 2, 3]) push('a', time);
    for (const time of [1, 2, 3]) push('b', time);
    push('a', 4);
    push('c', 4);
    expect(store.size).toBe(2);
    expect(push('a', 5)).toBe('ready');
    expect(push('b', 5)).toBe('warming');
    expect(store.size).toBe(2);
  });

  test('nothing of the key that went is left in the window of the one that came', () => {
    const { store, push } = createStore({ maxKeys: 1 });
    for (const time of [100, 200, 300]) push('a', time);
    expect([1, 2, 3].map((time) => push('b', time))).toEqual(['warming', 'warming', 'ready']);
    const batch = createWindowBatch(shape, 1);
    store.copy('b', batch);
    expect(Array.from(batch.timestamps)).toEqual([1, 2, 3]);
    expect(Array.from(batch.values)).toEqual([1.1, 1.2, 2.1, 2.2, 3.1, 3.2]);
  });
});
