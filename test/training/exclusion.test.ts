import fc from 'fast-check';
import { boundExclusion, without, withoutRecords, type Interval } from '../../src/training/exclusion';

const hundred = Array.from({ length: 100 }, (_, i) => i);
const times = new Map([
  ['a', hundred],
  ['b', hundred],
]);

test('overlapping intervals of a key are joined', () => {
  const growing = [10, 20, 30].map((to) => ({ key: 'a', from: 5, to }));
  const other = { key: 'b', from: 5, to: 7 };
  expect(boundExclusion([...growing, other], times, 1).excluded).toEqual([
    { key: 'a', from: 5, to: 30 },
    other,
  ]);
});

test('an event that does not end is released when it exceeds the share', () => {
  const endless = { key: 'a', from: 0, to: 1e9 };
  const short = { key: 'b', from: 5, to: 9 };
  expect(boundExclusion([short, endless], times, 0.6)).toEqual({ excluded: [endless, short], released: [] });
  expect(boundExclusion([short, endless], times, 0.5)).toEqual({ excluded: [short], released: [endless] });
});

test('an interval outside the history, or of an unknown key, takes no share', () => {
  const outside = [
    { key: 'a', from: -50, to: -1 },
    { key: 'c', from: 0, to: 99 },
  ];
  expect(boundExclusion(outside, times, 0).released).toEqual([]);
});

test('intervals without records are found, of one key or of all', () => {
  const matching = [
    { key: 'a', from: 99, to: 200 },
    { key: '', from: -5, to: 0 },
  ];
  const others = [
    { key: 'A', from: 0, to: 99 },
    { key: 'b', from: 100, to: 200 },
    { key: '', from: 10.2, to: 10.8 },
  ];
  expect(withoutRecords([...matching, ...others], times)).toEqual(others);
});

test('excluded records are within the share, and no interval is released without need', () => {
  const intervals = fc.array(
    fc
      .tuple(fc.constantFrom('a', 'b'), fc.integer({ min: 0, max: 99 }), fc.integer({ min: 0, max: 99 }))
      .map(([key, from, size]) => ({ key, from, to: from + size })),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(intervals, fc.double({ min: 0, max: 1, noNaN: true }), (given, share) => {
      const { excluded, released } = boundExclusion(given, times, share);
      const count = (list: readonly Interval[]): number =>
        [...times].flatMap(([key, all]) =>
          all.filter((time) => list.some((one) => one.key === key && time >= one.from && time <= one.to)),
        ).length;
      expect(count(excluded)).toBeLessThanOrEqual(share * 200);
      expect(count([...excluded, ...released])).toBe(count(given));
      if (released.length > 0) expect(count([...excluded, released.at(-1)!])).toBeGreaterThan(share * 200);
    }),
  );
});

describe('an interval that people call normal', () => {
  test('is cut out of the intervals of its key, or of all keys if it has none', () => {
    const intervals = [
      { key: 'a', from: 0, to: 10 },
      { key: 'b', from: 0, to: 10 },
    ];
    expect(without(intervals, [{ key: 'a', from: 3, to: 5 }])).toEqual([
      { key: 'a', from: 0, to: 2 },
      { key: 'a', from: 6, to: 10 },
      { key: 'b', from: 0, to: 10 },
    ]);
    expect(without(intervals, [{ key: '', from: 8, to: 99 }])).toEqual([
      { key: 'a', from: 0, to: 7 },
      { key: 'b', from: 0, to: 7 },
    ]);
    expect(without(intervals, [{ key: '', from: -1, to: 10 }])).toEqual([]);
    expect(without(intervals, [{ key: 'c', from: 0, to: 10 }])).toEqual(intervals);
  });

  test('leaves exactly the times in an interval and in no cut', () => {
    const time = fc.integer({ min: 0, max: 30 });
    const stretch = fc
      .tuple(fc.constantFrom('a', 'b', ''), time, time)
      .map(([key, x, y]) => ({ key, from: Math.min(x, y), to: Math.max(x, y) }));
    const ofKeys = stretch.filter(({ key }) => key !== '');
    const isIn = (list: readonly Interval[], key: string, at: number) =>
      list.some((one) => (one.key === key || one.key === '') && at >= one.from && at <= one.to);
    fc.assert(
      fc.property(fc.array(ofKeys, { maxLength: 4 }), fc.array(stretch, { maxLength: 4 }), (all, cuts) => {
        const left = without(all, cuts);
        for (const key of ['a', 'b'])
          for (let at = 0; at <= 30; at++)
            expect(isIn(left, key, at)).toBe(isIn(all, key, at) && !isIn(cuts, key, at));
      }),
    );
  });
});
