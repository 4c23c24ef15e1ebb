import fc from 'fast-check';
import { createScaler, fitScaler } from '../../src/domain/scaler';

/** One channel. */
const fit = (...values: number[]) => fitScaler(Float64Array.from(values), values.length, 1);

describe('what is learned of a channel', () => {
  test('is the mean and the standard deviation', () => {
    const { center, scale } = fit(1, 2, 3, 4);
    expect(center[0]).toBeCloseTo(2.5, 12);
    expect(scale[0]).toBeCloseTo(Math.sqrt(1.25), 12);
  });

  test('does not mix channels', () => {
    const { center } = fitScaler(Float64Array.of(1, 100, 3, 300), 2, 2);
    expect(center).toEqual([2, 200]);
  });

  test('does not move when one record in a thousand is wild', () => {
    const calm = Array.from({ length: 1000 }, (_, i) => Math.sin(i));
    const wild = calm.with(500, 1e30);
    const [before, after] = [fit(...calm), fit(...wild)];
    expect(after.center[0]).toBeCloseTo(before.center[0]!, 2);
    expect(after.scale[0]! / before.scale[0]!).toBeCloseTo(1, 1);
  });

  test('leaves missing values out', () => {
    expect(fit(1, NaN, 3).center[0]).toBe(2);
  });

  test('has a scale of 1 % of its size where it never moves, however the constant is rounded', () => {
    const { center, scale } = fit(...Array.from({ length: 1000 }, () => 0.1 + 0.2));
    expect(center[0]).toBeCloseTo(0.3, 12);
    expect(scale[0]).toBeCloseTo(0.003, 12);
  });

  test.each([
    ['1.7e9, moving by 1', 1.7e9, 1],
    ['a clock of 10 MHz, moving by 1 mHz', 1e7, 0.001],
    ['a time in seconds, moving by 2 ms', 1.7e9, 0.002],
  ])('is the spread of a fine channel on a large offset: %s', (_, offset, step) => {
    const deviations = Array.from({ length: 1000 }, (__, i) => step * Math.sin(i));
    const scaledAt = (offset: number): number => {
      const state = fit(...deviations.map((deviation) => offset + deviation));
      const scaled = new Float32Array(1);
      createScaler(state).scaleRow(Float64Array.of(offset + 3 * step), 0, 1, scaled, 0);
      return scaled[0]!;
    };
    expect(scaledAt(offset)).toBeCloseTo(scaledAt(0), 3);
  });

  test('has a scale of 1 % of its size where only the last bits move', () => {
    const values = Array.from({ length: 1000 }, (_, i) => (i % 2 === 0 ? 0.1 + 0.2 : 0.3));
    expect(fit(...values).scale[0]).toBeCloseTo(0.003, 12);
  });

  test.each([
    ['is always zero', [0, 0, 0]],
    ['is always missing', [NaN, NaN]],
    ['has no record', []],
  ])('has a scale of 1 where the channel %s', (_, values) => {
    expect(fit(...values)).toMatchObject({ center: [0], scale: [1] });
  });
});

describe('scaling', () => {
  const scaler = createScaler({
    center: [10, 0],
    scale: [2, 1e6],
    min: [-1e13, -1e13],
    max: [1e13, 1e13],
    count: [100, 100],
  });

  test('counts scales from the centre, each channel by its own', () => {
    expect(scaler.scale(14, 0)).toBe(2);
    expect(scaler.scale(-3e6, 1)).toBe(-3);
  });

  test('takes a missing value for the centre', () => {
    expect(scaler.scale(NaN, 0)).toBe(0);
  });

  test('keeps the largest float32 small, in both directions', () => {
    expect(scaler.scale(3.4e38, 0)).toBeLessThan(120);
    expect(scaler.scale(-3.4e38, 0)).toBeGreaterThan(-120);
  });

  test('is undone by unscaling, far out as well', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -1e12, max: 1e12, noNaN: true }),
        fc.constantFrom(0, 1),
        (value, channel) => {
          const back = scaler.unscale(scaler.scale(value, channel), channel);
          expect(Math.abs(back - value)).toBeLessThanOrEqual(1e-9 * (Math.abs(value) + 10));
        },
      ),
    );
  });

  test('gives back no value that has not been seen', () => {
    const bounded = createScaler(fitScaler(Float64Array.of(0, 1, 2, 3), 4, 1));
    expect(bounded.unscale(-5, 0)).toBe(0);
    expect(bounded.unscale(50, 0)).toBe(3);
  });

  test('keeps the order of values', () => {
    const value = fc.double({ min: -1e30, max: 1e30, noNaN: true });
    fc.assert(
      fc.property(value, value, (a, b) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        expect(scaler.scale(low, 0)).toBeLessThanOrEqual(scaler.scale(high, 0));
      }),
    );
  });
});
