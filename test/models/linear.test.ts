import { cholesky, inverse, solve } from '../../src/calibration/matrix';
import {
  createLinear,
  fitLinear as fitRecords,
  type LinearModel,
  type LinearState,
} from '../../src/models/linear';
import { seededNormal, seededUniform } from '../calibration/seeded';

const oneDevice = (): string => 'p1';

function fitLinear(
  {
    x,
    c = new Float32Array(),
    keys,
  }: { x: ArrayLike<number>; c?: Float32Array; keys: (row: number) => string },
  channels: number,
  conditions: number,
): LinearState {
  const all = Array.from({ length: x.length / channels }, (_, row) => keys(row));
  return fitRecords({ x: Float32Array.from(x), c, keys: all }, channels, conditions);
}

/** T² of a deviation, NaN = missing, by a model that expects 0. */
function distance({ precision }: LinearState, d: Float64Array): number {
  const state = { coefficients: new Array<number>(d.length).fill(0), devices: {}, precision };
  return distanceOf(createLinear(state, d.length, 0), d);
}

function distanceOf(linear: LinearModel, x: Float64Array): number {
  const mask = x.map((value) => (Number.isNaN(value) ? 0 : 1));
  linear.deviation(
    'p1',
    x.map((value) => (Number.isNaN(value) ? 0 : value)),
    mask,
    0,
    [],
    0,
  );
  return linear.distance();
}

/** Rows of a Gaussian with the covariance G·Gᵀ + I, scaled to a variance of 1 by channel. */
function gaussianRows(count: number, channels: number, seed: number): Float64Array {
  const normal = seededNormal(seed);
  const mixing = Float64Array.from({ length: channels * channels }, normal);
  const scales = Array.from({ length: channels }, (_, j) =>
    Math.sqrt(1 + mixing.subarray(j * channels, (j + 1) * channels).reduce((sum, g) => sum + g * g, 0)),
  );
  const x = new Float64Array(count * channels);
  for (let row = 0; row < count; row++) {
    const causes = Array.from({ length: channels }, normal);
    for (let j = 0; j < channels; j++) {
      let value = normal();
      for (let k = 0; k < channels; k++) value += mixing[j * channels + k]! * causes[k]!;
      x[row * channels + j] = value / scales[j]!;
    }
  }
  return x;
}

function distances(state: LinearState, x: Float64Array, channels: number): number[] {
  const linear = createLinear(state, channels, 0);
  return Array.from({ length: x.length / channels }, (_, row) =>
    distanceOf(linear, x.subarray(row * channels, (row + 1) * channels)),
  );
}

test('T² of a rotated Gaussian has the χ² distribution', () => {
  const channels = 4;
  const all = gaussianRows(40_000, channels, 1);
  const state = fitLinear({ x: all.subarray(0, 80_000), keys: oneDevice }, channels, 0);
  const t2 = distances(state, all.subarray(80_000), channels).sort((a, b) => a - b);
  // Quantiles of χ² with 4 degrees of freedom; the noise floor takes a few per cent of the smallest components.
  for (const [p, quantile] of [
    [0.5, 3.357],
    [0.9, 7.779],
    [0.99, 13.277],
  ] as const) {
    expect(t2[Math.floor(p * t2.length)]! / quantile).toBeGreaterThan(0.9);
    expect(t2[Math.floor(p * t2.length)]! / quantile).toBeLessThan(1.03);
  }
});

test('with a single channel, T² is the squared deviation over its variance and the noise', () => {
  const x = Float64Array.of(1, 3, 5, 7);
  const state = fitLinear({ x, keys: oneDevice }, 1, 0);
  expect(state.coefficients[0]).toBeCloseTo(4, 2);
  expect(state.devices).toEqual({});
  expect(state.precision[0]).toBeCloseTo(1 / (0.99 * 5 + 0.01), 5);
  expect(distances(state, x, 1)[0]).toBeCloseTo(9 / (0.99 * 5 + 0.01), 2);
});

test('a channel that was constant has the noise alone', () => {
  const x = Float64Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? Math.sin(i) : 0));
  const state = fitLinear({ x, keys: oneDevice }, 2, 0);
  expect(distance(state, Float64Array.of(0, 0.5))).toBeCloseTo(0.25 / 0.01, 8);
});

test('missing values: as the conditional Gaussian, whether few or most are missing', () => {
  const channels = 7;
  const x = gaussianRows(500, channels, 2);
  const state = fitLinear({ x, keys: oneDevice }, channels, 0);
  const covariance = inverse(state.precision, channels);
  const uniform = seededUniform(3);
  for (let row = 0; row < 100; row++) {
    const d = x.slice(row * channels, (row + 1) * channels);
    const missing = Array.from(d, () => uniform() < (row + 1) / 101);
    missing[row % channels] = false;
    const seen = [...d.keys()].filter((j) => !missing[j]);
    missing.forEach((isMissing, j) => isMissing && (d[j] = NaN));
    // d_oᵀ·Σ_oo⁻¹·d_o · C / |o|
    const part = Float64Array.from(seen.flatMap((i) => seen.map((j) => covariance[i * channels + j]!)));
    const own = Float64Array.from(seen, (j) => d[j]!);
    const solved = solve(cholesky(part, seen.length), seen.length, own.slice());
    const expected = (own.reduce((sum, value, k) => sum + value * solved[k]!, 0) * channels) / seen.length;
    expect(distance(state, d)).toBeCloseTo(expected, 8);
  }
  expect(distance(state, new Float64Array(channels).fill(NaN))).toBe(0);
});

test('a deviation is 0 where the mask is, and is that of the given places', () => {
  const state = { coefficients: [1, 2, 3], devices: {}, precision: [1, 0, 0, 0, 1, 0, 0, 0, 1] };
  const linear = createLinear(state, 3, 0);
  expect([...linear.deviation(undefined, [9, 9, 4, 0, 1], [1, 1, 1, 0, 1], 2, [], 0)]).toEqual([3, 0, -2]);
  expect(linear.distance()).toBeCloseTo((13 * 3) / 2, 12);
});

test('channels with missing values are learned from the records that have them', () => {
  const x = gaussianRows(20_000, 3, 5);
  const complete = fitLinear({ x, keys: oneDevice }, 3, 0);
  const uniform = seededUniform(6);
  // The third channel comes with one record in twenty, and never in the first hundred.
  const sparse = x.map((value, i) => (i % 3 === 2 && (i < 300 || uniform() > 0.05) ? NaN : value + 2));
  const state = fitLinear({ x: sparse, keys: oneDevice }, 3, 0);
  state.coefficients.forEach((mean, j) => expect(mean - complete.coefficients[j]!).toBeCloseTo(2, 0));
  const variance = (precision: readonly number[], j: number): number => inverse(precision, 3)[j * 4]!;
  expect(variance(state.precision, 2) / variance(complete.precision, 2)).toBeGreaterThan(0.9);
  expect(variance(state.precision, 2) / variance(complete.precision, 2)).toBeLessThan(1.1);
});

describe('conditions', () => {
  const count = 4000;
  const normal = seededNormal(7);
  const keys = (row: number): string => (row % 2 === 0 ? 'a' : 'b');
  const c = Float32Array.from({ length: count * 3 }, (_, i) => {
    // Two modes, one-hot (collinear with the intercept), and a number.
    const row = Math.floor(i / 3);
    if (i % 3 === 2) return normal();
    return Math.floor(row / 10) % 2 === i % 3 ? 1 : 0;
  });
  const at = (row: number, d: number): number => c[row * 3 + d]!;
  /** Device b answers to the number the other way round, and is offset. */
  const expectedOf = (row: number, key: string): [number, number] => [
    at(row, 0) + (key === 'a' ? 1 : -1) * at(row, 2),
    3 * at(row, 1) + (key === 'b' ? 2 : 0),
  ];
  const x = new Float64Array(count * 2);
  for (let row = 0; row < count; row++) {
    expectedOf(row, keys(row)).forEach((value, j) => (x[row * 2 + j] = value + 0.2 * normal()));
  }

  test('are learned for each device', () => {
    const state = fitLinear({ x, c, keys }, 2, 3);
    const linear = createLinear(state, 2, 3);
    const expected = (key: string, row: number): number[] =>
      [...linear.deviation(key, [0, 0], [1, 1], 0, c, row * 3)].map((value) => -value);
    for (const [row, key] of [
      [0, 'a'],
      [1, 'b'],
      [15, 'b'],
    ] as const) {
      expected(key, row).forEach((value, j) =>
        expect(Math.abs(value - expectedOf(row, key)[j]!)).toBeLessThan(0.03),
      );
    }
    // The covariance is that of the residuals of each device's own coefficients.
    expect(1 / state.precision[0]!).toBeCloseTo(0.99 * 0.04 + 0.01, 2);
    expect(1 / state.precision[3]!).toBeCloseTo(0.99 * 0.04 + 0.01, 2);
    // A device without coefficients of its own has those of all: neither number nor offset of a or b.
    const out = expected('new', 0);
    expect(Math.abs(out[0]! - at(0, 0))).toBeLessThan(0.1 + 0.1 * Math.abs(at(0, 2)));
    expect(Math.abs(out[1]! - 3 * at(0, 1) - 1)).toBeLessThan(0.1);
  });

  test('with few records, a device has an intercept of its own, and with fewer none', () => {
    const keyOf = (row: number): string => (row % 80 === 1 ? 'some' : row % 400 === 3 ? 'few' : 'a');
    const { coefficients, devices } = fitLinear(
      // 50 records are enough for an intercept, with 2 × 3 conditions 70 for all.
      { x, c: Float32Array.from({ length: count * 6 }, (_, i) => at(Math.floor(i / 6), i % 3)), keys: keyOf },
      2,
      6,
    );
    expect(Object.keys(devices).sort()).toEqual(['a', 'some']);
    expect(devices.some!.slice(2)).toEqual(coefficients.slice(2));
    expect(devices.some![1]! - coefficients[1]!).toBeGreaterThan(0.5);
    expect(devices.a!.slice(2)).not.toEqual(coefficients.slice(2));
  });

  test('the names of devices are no names of JavaScript', () => {
    const state = JSON.parse(
      JSON.stringify(fitLinear({ x, c, keys: (row) => (row % 3 === 0 ? '__proto__' : 'a') }, 2, 3)),
    ) as LinearState;
    expect(Object.keys(state.devices).sort()).toEqual(['__proto__', 'a']);
    const own = Object.entries(state.devices).find(([key]) => key === '__proto__')![1];
    const d = createLinear(state, 2, 3).deviation('__proto__', [0, 0], [1, 1], 0, [0, 0, 0], 0);
    expect([...d]).toEqual([-own[0]!, -own[1]!]);
  });
});

test('fewer records than channels: the noise floor keeps T² finite', () => {
  const normal = seededNormal(8);
  const channels = 250;
  const x = Float32Array.from({ length: 50 * channels }, normal);
  const state = fitLinear({ x, keys: oneDevice }, channels, 0);
  const d = Float64Array.from({ length: channels }, normal);
  const t2 = distance(state, d);
  // 200 of 250 directions have the variance of the noise alone.
  expect(t2).toBeGreaterThan(200 / 0.01 / 1.3);
  expect(t2).toBeLessThan(1.3 * (250 / 0.01));
  expect(
    distance(
      state,
      d.map((value, j) => (j < 50 ? NaN : value)),
    ),
  ).toBeGreaterThan(0);
  expect(
    distance(
      state,
      d.map((value, j) => (j < 200 ? NaN : value)),
    ),
  ).toBeGreaterThan(0);
});

test('a number that is not finite is an error', () => {
  expect(() => fitLinear({ x: [1, Infinity], keys: oneDevice }, 1, 0)).toThrow(RangeError);
});
