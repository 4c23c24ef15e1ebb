import fc from 'fast-check';
import {
  createWindowBatch,
  createWindowStore,
  type WindowLimits,
  type WindowShape,
} from '../../src/domain/window';

const shape: WindowShape = { length: 3, channels: 2, conditions: 1 };
const limits: WindowLimits = { maxKeys: 10, ttlMs: 1000, intervalMs: 0, gaps: 'ignore', padding: 'none' };

function createStore(overrides: Partial<WindowLimits> = {}) {
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

/** Times and first values of the newest window of a key. */
function windowOf(store: ReturnType<typeof createStore>['store'], key = 'a') {
  const batch = createWindowBatch(shape, 1);
  store.copy(key, batch);
  return {
    times: Array.from(batch.timestamps),
    values: Array.from(batch.values).filter((_, i) => i % 2 === 0),
    conditions: Array.from(batch.conditions),
  };
}

describe('a gap', () => {
  const regular = { intervalMs: 10 };

  test('is none up to one and a half intervals, so that sampling may wander', () => {
    const { push } = createStore({ ...regular, gaps: 'break' });
    expect([0, 14, 20, 34.9].map((time) => push('a', time))).toEqual([
      'warming',
      'warming',
      'ready',
      'ready',
    ]);
  });

  test('is nothing where gaps are ignored, and where no interval is known', () => {
    for (const ignoring of [{ ...regular, gaps: 'ignore' }, { gaps: 'break' }] as const) {
      const { push } = createStore(ignoring);
      expect([0, 100, 700].map((time) => push('a', time)).at(-1)).toBe('ready');
    }
  });

  test('starts a new window where it breaks', () => {
    const { store, push } = createStore({ ...regular, gaps: 'break' });
    const results = [0, 10, 20, 36, 46, 56].map((time) => push('a', time));
    expect(results).toEqual(['warming', 'warming', 'ready', 'warming', 'warming', 'ready']);
    expect(windowOf(store).times).toEqual([36, 46, 56]);
  });

  test('is filled with records without values, under the conditions of the one before', () => {
    const { store, push } = createStore({ ...regular, gaps: 'fill' });
    for (const time of [0, 10, 20]) push('a', time);
    expect(push('a', 41)).toBe('ready');
    expect(windowOf(store)).toEqual({
      times: [20, 30.5, 41],
      values: [20.1, NaN, 41.1],
      conditions: [-20, -20, -41],
    });
  });

  test('helps a window to become full where it is filled', () => {
    const { push } = createStore({ ...regular, gaps: 'fill' });
    expect([0, 20].map((time) => push('a', time))).toEqual(['warming', 'ready']);
  });

  test('as long as a window starts a new one, filled or not', () => {
    const { push } = createStore({ ...regular, gaps: 'fill' });
    for (const time of [0, 10, 20]) push('a', time);
    expect([60, 70, 80].map((time) => push('a', time))).toEqual(['warming', 'warming', 'ready']);
  });
});

describe('a new window', () => {
  test('that is padded is ready at once, the records before it without values', () => {
    const { store, push } = createStore({ padding: 'missing' });
    expect(push('a', 5)).toBe('ready');
    expect(windowOf(store)).toEqual({ times: [5, 5, 5], values: [NaN, NaN, 5.1], conditions: [-5, -5, -5] });
    expect(push('a', 6)).toBe('ready');
    expect(windowOf(store).values).toEqual([NaN, 5.1, 6.1]);
  });

  test('is padded after a silence, too', () => {
    const { store, push } = createStore({ padding: 'missing', ttlMs: 10 });
    for (const time of [0, 1, 2, 3]) push('a', time);
    expect(push('a', 100)).toBe('ready');
    expect(windowOf(store).values).toEqual([NaN, NaN, 100.1]);
  });
});
