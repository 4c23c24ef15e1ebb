import fc from 'fast-check';
import { createWindowBatch, type WindowShape } from '../../src/domain/window';
import { createWindowStore, type WindowLimits } from '../../src/domain/window-store';

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
  expect([1, 2, 3, 4].map((time) => push('a', time))).toEqual(['not_full', 'not_full', 'ready', 'ready']);
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
          expect(result).toBe(times.length >= length ? 'ready' : 'not_full');
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
  expect(push('b', 4)).toBe('not_full');
  const batch = createWindowBatch(shape, 1);
  store.copy('a', batch);
  expect(Array.from(batch.timestamps)).toEqual([1, 2, 5]);
});

test('a key that was silent for longer than its time to live starts a new window', () => {
  const { store, push } = createStore({ ttlMs: 1000 });
  for (const time of [1, 2, 3]) push('a', time);
  expect(push('a', 1003)).toBe('ready');
  expect(push('a', 2004)).toBe('not_full');
  expect(push('a', 2005)).toBe('not_full');
  expect(push('a', 2006)).toBe('ready');
  const batch = createWindowBatch(shape, 1);
  store.copy('a', batch);
  expect(Array.from(batch.timestamps)).toEqual([2004, 2005, 2006]);
});

describe('when there are more keys than allowed', () => {
  /** Pushes `rounds` rounds of records, one of each key a second; returns the results by key of the last round. */
  function rounds(store: ReturnType<typeof createStore>, keys: readonly string[], from: number, to: number) {
    let results: string[] = [];
    for (let round = from; round < to; round++)
      results = keys.map((key, k) => store.push(key, round * 100 + k));
    return results;
  }

  test('those that fit go on being scored, and the newcomer waits', () => {
    const store = createStore({ maxKeys: 2, ttlMs: 1e6 });
    expect(rounds(store, ['a', 'b', 'c'], 0, 20)).toEqual(['ready', 'ready', 'no_room']);
    expect(store.store.size).toBe(2);
    expect(store.store.lacks('c')).toBe(false);
    expect(store.store.counts).toEqual({ evicted: 0, expired: 0, broken: 0, undone: 0 });
  });

  test('a key that is silent for the time of a window gives way, and nothing of it is left', () => {
    const store = createStore({ maxKeys: 2, ttlMs: 1e6 });
    rounds(store, ['a', 'b'], 0, 10);
    // b speaks every 100 ms; windows have three records.
    expect(store.push('c', 1_200)).toBe('no_room');
    store.push('a', 1_200);
    expect(store.push('c', 1_202)).toBe('not_full');
    expect([1_302, 1_402].map((time) => store.push('c', time))).toEqual(['not_full', 'ready']);
    expect(store.store.counts.evicted).toBe(1);
    const batch = createWindowBatch(shape, 1);
    store.store.copy('c', batch);
    expect(Array.from(batch.timestamps)).toEqual([1_202, 1_302, 1_402]);
    expect(Array.from(batch.values)).toEqual([1_202.1, 1_202.2, 1_302.1, 1_302.2, 1_402.1, 1_402.2]);
  });

  test('a key of one record gives way after its time to live, which is no eviction', () => {
    const { store, push } = createStore({ maxKeys: 1, ttlMs: 1000 });
    push('a', 0);
    expect(push('b', 1000)).toBe('no_room');
    expect(push('b', 1001)).toBe('not_full');
    expect(store.counts.evicted).toBe(0);
  });

  test('a silent key gives way although one with a clock far ahead was seen before it', () => {
    const { push } = createStore({ maxKeys: 2, ttlMs: 1000 });
    push('ahead', 1e9);
    push('a', 0);
    expect(push('b', 2000)).toBe('not_full');
  });

  test('windows of one record are full at once, so nobody waits', () => {
    const store = createWindowStore({ ...shape, length: 1 }, { ...limits, maxKeys: 1 });
    for (const [i, key] of ['a', 'b', 'a', 'b'].entries())
      expect(store.push(key, 0, Float64Array.of(i), Float64Array.of(1, 2), Float64Array.of(0))).toBe('ready');
    expect(store.counts.evicted).toBe(3);
  });
});

describe('a record far ahead of its device', () => {
  test('does not lock the device out: the next records continue the earlier ones', () => {
    const { store, push } = createStore({ ttlMs: 1e6 });
    for (const time of [1, 2, 3, 4]) push('a', time);
    expect(push('a', 295)).toBe('ready');
    expect([5, 6, 7, 8].map((time) => push('a', time))).toEqual(['not_full', 'not_full', 'ready', 'ready']);
    expect(store.counts.undone).toBe(1);
    expect(windowOf(store).times).toEqual([6, 7, 8]);
  });

  test('nor do several, even if they are the first but one', () => {
    for (const start of [[1], [1, 2, 3, 4]]) {
      const { push } = createStore({ ttlMs: 1e6 });
      const last = start.at(-1)!;
      for (const time of [...start, 900, 901]) push('a', time);
      expect([last + 1, last + 2, last + 3].map((time) => push('a', time)).at(-1)).toBe('ready');
    }
  });

  test('is true once a window of records has followed it', () => {
    const { store, push } = createStore({ ttlMs: 1e6 });
    for (const time of [1, 2, 3, 900, 901, 902, 903]) push('a', time);
    expect(push('a', 4)).toBe('out_of_order');
    expect(store.counts.undone).toBe(0);
  });

  test('is no matter for records that only swap places', () => {
    const { push } = createStore({ ttlMs: 1e6 });
    for (const time of [10, 20, 30, 400, 420]) push('a', time);
    expect(push('a', 410)).toBe('out_of_order');
  });

  test('a silence above the time to live, and a gap, are counted as cuts', () => {
    const { store, push } = createStore({ ttlMs: 100, intervalMs: 10, gaps: 'break' });
    for (const time of [0, 10, 20, 50, 60, 500]) push('a', time);
    expect(store.counts).toMatchObject({ expired: 1, broken: 1 });
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
      'not_full',
      'not_full',
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
    expect(results).toEqual(['not_full', 'not_full', 'ready', 'not_full', 'not_full', 'ready']);
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
    expect([0, 20].map((time) => push('a', time))).toEqual(['not_full', 'ready']);
  });

  test('as long as a window starts a new one, filled or not', () => {
    const { push } = createStore({ ...regular, gaps: 'fill' });
    for (const time of [0, 10, 20]) push('a', time);
    expect([60, 70, 80].map((time) => push('a', time))).toEqual(['not_full', 'not_full', 'ready']);
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

describe('a store that goes on from a snapshot', () => {
  const record = fc.record({
    key: fc.constantFrom('a', 'b', 'c', 'd'),
    step: fc.constantFrom(0, 1, 1, 2, 7, 40, -1),
  });

  test('says and holds what the one it was taken of would have, bit for bit', () => {
    fc.assert(
      fc.property(
        fc.array(record, { maxLength: 60 }),
        fc.nat(60),
        fc.record({
          length: fc.integer({ min: 1, max: 5 }),
          gaps: fc.constantFrom('ignore', 'break', 'fill'),
          padding: fc.constantFrom('none', 'missing'),
          beginning: fc.constantFrom('empty', 'unknown'),
          maxKeys: fc.constantFrom(2, 10),
        }),
        (records, cut, { length, gaps, padding, beginning, maxKeys }) => {
          const anyShape: WindowShape = { length, channels: 2, conditions: 1 };
          const rules = { ...limits, ttlMs: 30, intervalMs: 1, gaps, padding, maxKeys } as const;
          const whole = createWindowStore(anyShape, rules, beginning);
          let parted = createWindowStore(anyShape, rules, beginning);
          const [left, right] = [createWindowBatch(anyShape, 60), createWindowBatch(anyShape, 60)];
          const told: { whole: unknown[]; parted: unknown[] } = { whole: [], parted: [] };
          let time = 100;
          records.forEach(({ key, step }, i) => {
            if (i === cut) parted = createWindowStore(anyShape, rules, parted.snapshot());
            time += step;
            const push = (store: typeof whole) =>
              store.push(key, 0, Float64Array.of(time), Float64Array.of(time, i), Float64Array.of(-i));
            const result = push(parted);
            told.parted.push(result, parted.size, parted.lacks(key));
            told.whole.push(push(whole), whole.size, whole.lacks(key));
            if (result !== 'ready') return;
            whole.copy(key, left);
            parted.copy(key, right);
          });
          // One assertion for all records, as an assertion costs more than a record.
          expect(told.parted).toEqual(told.whole);
          expect(right).toEqual(left);
          expect(parted.snapshot()).toEqual(whole.snapshot());
        },
      ),
    );
  });

  test('holds no more than the next window needs', () => {
    const { store, push } = createStore();
    for (let time = 1; time <= 9; time++) push('a', time);
    push('b', 9);
    const { keys, counts, timestamps, values } = store.snapshot();
    expect(keys).toEqual(['a', 'b']);
    expect([...counts]).toEqual([2, 1]);
    expect([...timestamps]).toEqual([8, 9, 9]);
    expect(values).toHaveLength(6);
  });

  test('holds the most recent keys where fewer are allowed than there are', () => {
    const { store, push } = createStore();
    for (const key of ['a', 'b', 'c']) for (let time = 1; time <= 3; time++) push(key, time);
    const smaller = createWindowStore(shape, { ...limits, maxKeys: 2 }, store.snapshot());
    expect(smaller.snapshot().keys).toEqual(['b', 'c']);
    const values = Float64Array.of(4.1, 4.2);
    expect(smaller.push('c', 0, Float64Array.of(4), values, Float64Array.of(-4))).toBe('ready');
    const batch = createWindowBatch(shape, 1);
    smaller.copy('c', batch);
    expect([...batch.timestamps]).toEqual([2, 3, 4]);
  });

  test('refuses one of another shape', () => {
    const { store, push } = createStore();
    for (let time = 1; time <= 3; time++) push('a', time);
    const snapshot = store.snapshot();
    for (const other of [
      { ...shape, length: 2 },
      { ...shape, channels: 3 },
      { ...shape, conditions: 0 },
      { ...shape, pixels: true as const },
    ])
      expect(() => createWindowStore(other, limits, snapshot)).toThrow(
        'the stored windows have another shape',
      );
  });
});

describe('what a window may lack', () => {
  const marks = (store: ReturnType<typeof createWindowStore>, times: readonly number[], key = 'a'): string =>
    times
      .map((time) => {
        store.push(key, 0, Float64Array.of(time), Float64Array.of(1, 2), Float64Array.of(0));
        return store.lacks(key) ? '?' : '.';
      })
      .join('');
  const padded = { ...limits, padding: 'missing' } as const;

  test('is nothing where nothing was before', () => {
    expect(marks(createWindowStore(shape, padded), [1, 2, 3, 4])).toBe('....');
  });

  test('are the records before those that were read, until it is full of these', () => {
    expect(marks(createWindowStore(shape, padded, 'unknown'), [1, 2, 3, 4])).toBe('??..');
    expect(marks(createWindowStore(shape, limits, 'unknown'), [1, 2, 3, 4])).toBe('??..');
  });

  test('includes the record before the window where counters need it', () => {
    const store = createWindowStore(shape, limits, 'unknown');
    const lacking = [1, 2, 3, 4].map((time) => {
      marks(store, [time]);
      return [store.lacks('a'), store.lacksWithCounters('a')];
    });
    expect(lacking).toEqual([
      [true, true],
      [true, true],
      [false, true],
      [false, false],
    ]);
  });

  test('is nothing any more when it has to begin anew', () => {
    expect(marks(createWindowStore(shape, padded, 'unknown'), [1, 1500, 1501])).toBe('?..');
  });

  test('is nothing for a device that comes when all that was before is out of date', () => {
    const store = createWindowStore(shape, padded, 'unknown');
    marks(store, [1]);
    expect(marks(store, [1999, 2000], 'b')).toBe('??');
    expect(marks(store, [2001, 2002], 'c')).toBe('..');
  });

  test('are records before the next one when some are gone', () => {
    const store = createWindowStore(shape, padded);
    marks(store, [1, 2, 3]);
    store.interrupt();
    // A pause that would be one of the device: its records may be among those that are gone.
    expect(marks(store, [1100, 1101, 1102])).toBe('??.');
    expect(marks(store, [1102], 'b')).toBe('?');
  });

  test('a window of one record lacks nothing', () => {
    const single: WindowShape = { length: 1, channels: 2, conditions: 1 };
    expect(marks(createWindowStore(single, limits, 'unknown'), [1, 2])).toBe('..');
  });
});
