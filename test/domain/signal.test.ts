import { createCounts, createLimitCheck } from '../../src/domain/signal';

const channels = ['flow', 'pressure', 'level'];

describe('a deviation', () => {
  test.each([
    ['up', 0, 1.5, true],
    ['up', 0, 0.5, false],
    ['down', 0, 1.5, false],
    ['down', 0, 0.5, true],
    ['both', 0.5, 1.4, false],
    ['both', 0.5, 1.5, true],
    ['both', 0.5, 0.5, true],
    ['up', 0.5, 1.4, false],
    ['up', 0.5, 0.4, false],
    ['up', 0.5, 1.6, true],
  ] as const)(
    'with direction %s and deadband %d to %d from 1 counts: %s',
    (direction, deadband, actual, counts) => {
      const rule = { channel: 'pressure', direction, deadband };
      expect(createCounts(channels, [rule])!(1, actual, 1)).toBe(counts);
    },
  );

  test('of a channel without a rule always counts', () => {
    const counts = createCounts(channels, [{ channel: 'pressure', direction: 'up', deadband: 1 }])!;
    expect([0, 2].map((channel) => counts(channel, 0.999, 1))).toEqual([true, true]);
  });

  test('need not be looked at where every one counts', () => {
    expect(createCounts(channels, [])).toBeUndefined();
    expect(createCounts(channels, [{ channel: 'flow', direction: 'both', deadband: 0 }])).toBeUndefined();
  });
});

describe('a limit', () => {
  const check = createLimitCheck(channels, [
    { kind: 'auto', channel: 'level', direction: 'both', deadband: 0, limits: { min: 1, max: 9 } },
    { kind: 'auto', channel: 'flow', direction: 'both', deadband: 0, limits: { max: 5 } },
  ]);

  test('is violated beyond, not on it, and the record says which', () => {
    expect(check(Float64Array.of(0, 0, 0, 5, 0, 1), 3)).toEqual([]);
    expect(check(Float64Array.of(5.1, -1e9, 0.9), 0)).toEqual([
      { channel: 'flow', limit: 'max', bound: 5, actual: 5.1 },
      { channel: 'level', limit: 'min', bound: 1, actual: 0.9 },
    ]);
  });

  test('is not violated by a value that is missing', () => {
    expect(check(Float64Array.of(NaN, NaN, NaN), 0)).toEqual([]);
  });
});
