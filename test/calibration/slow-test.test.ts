import { addToMeans } from '../../src/calibration/mean-chart';
import {
  createSlowTest,
  fitCentres,
  fitSlow,
  isSlowTestUsable,
  slowRecords,
} from '../../src/calibration/slow-test';
import { seededNormal } from './seeded';

const size = 3;
const centre = [0.5, -1, 0];

/** Errors of independent records, the first two correlated. */
function errors(seed: number): () => Float64Array {
  const normal = seededNormal(seed);
  return () => {
    const common = normal();
    return Float64Array.of(0.5 + common + 0.3 * normal(), -1 + common + 0.3 * normal(), normal());
  };
}

function fitted(): ReturnType<typeof fitSlow> {
  const next = errors(1);
  const cells = new Float64Array(size);
  const means = new Float64Array(20_000 * size);
  for (let row = 0; row < 20_000; row++) {
    addToMeans(cells, 0, next(), 0, centre, slowRecords);
    means.set(cells, row * size);
  }
  return fitSlow(means, { centre, devices: {} });
}

const state = fitted();

function run(records: number, offset: readonly number[], seed: number): number[] {
  const test = createSlowTest(state);
  const next = errors(seed);
  const cells = new Float64Array(test.size);
  test.begin(cells, '');
  return Array.from({ length: records }, () =>
    test.step(
      cells,
      next().map((value, j) => value + offset[j]!),
      test.centreOf(''),
    ),
  );
}

test('the mean of errors has the variance of an exponential mean of 60 records', () => {
  // w / (2 − w) of the variance of a record, with w = 2/61: 1/60.
  state.spread.forEach((spread, j) => expect(spread).toBeCloseTo(Math.sqrt((j === 2 ? 1 : 1.09) / 60), 1));
});

test('the statistic has the mean of χ² with one degree of freedom for each error', () => {
  const values = run(50_000, [0, 0, 0], 2).slice(500);
  const mean = values.reduce((sum, value) => sum + value / values.length, 0);
  expect(mean).toBeGreaterThan(0.85 * size);
  expect(mean).toBeLessThan(1.15 * size);
});

test('an offset of half a standard deviation is found in an hour of minutes, and one against the correlation sooner', () => {
  const firstAbove = (offset: number[]): number => run(200, offset, 3).findIndex((value) => value > 30);
  const along = firstAbove([0.5, 0.5, 0]);
  const against = firstAbove([0.5, -0.5, 0]);
  expect(Math.max(...run(200, [0, 0, 0], 3))).toBeLessThan(30);
  expect(against).toBeGreaterThan(0);
  expect(against).toBeLessThan(60);
  expect(along === -1 || against < along).toBe(true);
});

test('devices with enough records have centres of their own', () => {
  const many = Array.from({ length: 600 }, (_, i) => i);
  const centres = fitCentres(
    (record) => [record < 600 ? 2 : -1],
    1,
    new Map([
      ['a', many],
      ['b', [600, 601]],
    ]),
  );
  expect(centres.devices).toEqual({ a: [2] });
  expect(centres.centre[0]).toBeCloseTo((2 * 600 - 2) / 602, 12);
});

test('errors that never vary keep the statistic finite', () => {
  const constant = fitSlow(new Float64Array(300), { centre: [1, 2, 3], devices: {} });
  const test = createSlowTest(constant);
  expect(test.step(new Float64Array(3), [1, 2, 3], test.centreOf(''))).toBe(0);
  expect(Number.isFinite(test.step(new Float64Array(3), [2, 2, 3], test.centreOf('')))).toBe(true);
});

describe('the test is used', () => {
  const normal = seededNormal(4);
  /** exp of an autoregressive series; τ = (1 + ρ) / (1 − ρ). */
  const series = (records: number, rho: number, spread = 1): Float64Array => {
    let log = 0;
    return Float64Array.from({ length: records }, () => {
      log = rho * log + Math.sqrt(1 - rho * rho) * normal();
      return Math.exp(spread * log);
    });
  };

  test('if the blocks of all devices have 100 independent stretches', () => {
    // τ = 19: 26 and 158 stretches.
    expect(isSlowTestUsable([series(500, 0.9)])).toBe(false);
    expect(isSlowTestUsable(Array.from({ length: 6 }, () => series(500, 0.9)))).toBe(true);
    expect(isSlowTestUsable([])).toBe(false);
  });

  test('unless the statistic hardly varies, or not at all', () => {
    expect(isSlowTestUsable([series(5000, 0, 0.01)])).toBe(false);
    expect(isSlowTestUsable([new Float64Array(5000)])).toBe(false);
  });
});
