import { createSurpriseScale, fitSurprise } from '../../src/calibration/surprise';
import { surpriseOf } from '../../src/calibration/threshold';
import { distanceToUniform, seededNormal } from './seeded';

/** Two statistics of one record, as dependent as those of one model are. */
function columns(n: number, seed: number, correlation = 0.7) {
  const normal = seededNormal(seed);
  const reconstruction = new Float64Array(n);
  const latent = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    reconstruction[i] = normal();
    latent[i] = 5 + 100 * (correlation * reconstruction[i]! + Math.sqrt(1 - correlation ** 2) * normal());
  }
  return { reconstruction, latent };
}

const state = fitSurprise(columns(5000, 1), 0.1);
const scale = createSurpriseScale(state);

// Above, records that are very normal by every statistic are not told apart.
test.each([0, 0.7, 1])(
  'the p-value of normal records is uniform up to 0.8, at correlation %d of the statistics',
  (r) => {
    const { pValue } = createSurpriseScale(fitSurprise(columns(5000, 1, r), 0.1));
    const fresh = columns(5000, 2, r);
    const p = Array.from(fresh.latent, (latent, i) => pValue([fresh.reconstruction[i]!, latent]).p);
    expect(distanceToUniform(p, 0.8)).toBeLessThan(1.95 * Math.sqrt(2 / 5000));
  },
);

// The tail of a normal distribution has shape < 0 at any finite height, where the exponential is taken: cautious.
test('the alarm ratio of normal records is not above the target in the tail, and not far below', () => {
  const fresh = columns(100_000, 3);
  const alarms = Array.from(fresh.latent).filter(
    (latent, i) => surpriseOf(scale.pValue([fresh.reconstruction[i]!, latent]).p) >= 3,
  ).length;
  expect(alarms / 100_000).toBeGreaterThan(0.0002);
  expect(alarms / 100_000).toBeLessThan(0.0013);
});

test('either statistic alone can surprise, and more so the odder it is', () => {
  const surprise = (...statistics: number[]) => surpriseOf(scale.pValue(statistics).p);
  expect(surprise(0, 5)).toBeLessThan(1);
  expect(surprise(6, 5)).toBeGreaterThan(4);
  expect(surprise(0, 605)).toBeGreaterThan(4);
  const growing = [0, 1, 2, 3, 4, 5, 6, 8, 10, 20].map((odd) => surprise(odd, 5));
  expect(growing).toEqual([...growing].sort((a, b) => a - b));
  expect(growing.at(-1)).toBeGreaterThan(growing.at(-2)!);
});

test('even what lies out of all reach has a finite surprise', () => {
  const { p, extrapolated } = scale.pValue([1e30, 1e30]);
  expect(p).toBeGreaterThan(0);
  expect(extrapolated).toBe(true);
  expect(surpriseOf(p)).toBeLessThanOrEqual(300);
});

test('statistics keep their names and order, through JSON too', () => {
  const restored = createSurpriseScale(JSON.parse(JSON.stringify(state)) as typeof state);
  expect(restored.names).toEqual(['reconstruction', 'latent']);
  for (const statistics of [
    [0, 5],
    [3, 100],
    [9, -50],
  ])
    expect(restored.pValue(statistics)).toEqual(scale.pValue(statistics));
});

test('without a calibration record there is no scale', () => {
  expect(() => fitSurprise({ reconstruction: new Float64Array(0) }, 0.1)).toThrow(RangeError);
  expect(() => fitSurprise({}, 0.1)).toThrow(RangeError);
});
