import { createSurpriseScale, fitSurprise, type StatisticPlan } from '../../src/calibration/surprise';
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

const plan: StatisticPlan = { scale: 'linear', tail: 'free', weight: 1 };
const plans = { reconstruction: plan, latent: plan };
const state = fitSurprise(columns(5000, 1), 0.1, plans);
const scale = createSurpriseScale(state);

// Above, very normal records have similar p-values in every statistic.
test.each([0, 0.7, 1])(
  'the p-value of normal records is uniform up to 0.8, at correlation %d of the statistics',
  (r) => {
    const { pValue } = createSurpriseScale(fitSurprise(columns(5000, 1, r), 0.1, plans));
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

test('each statistic alone can raise the surprise, more so the more anomalous it is', () => {
  const surprise = (...statistics: number[]) => surpriseOf(scale.pValue(statistics).p);
  expect(surprise(0, 5)).toBeLessThan(1);
  expect(surprise(6, 5)).toBeGreaterThan(4);
  expect(surprise(0, 605)).toBeGreaterThan(4);
  const growing = [0, 1, 2, 3, 4, 5, 6, 8, 10, 20].map((odd) => surprise(odd, 5));
  expect(growing).toEqual([...growing].sort((a, b) => a - b));
  expect(growing.at(-1)).toBeGreaterThan(growing.at(-2)!);
});

test('an extreme value has a finite surprise', () => {
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

test('a calibration without records is refused', () => {
  expect(() => fitSurprise({ reconstruction: new Float64Array(0) }, 0.1, plans)).toThrow(RangeError);
  expect(() => fitSurprise({}, 0.1, plans)).toThrow(RangeError);
});

test('only a statistic that changes by factors has a baseline', () => {
  const mixed = createSurpriseScale(
    fitSurprise(columns(5000, 1), 0.1, { reconstruction: plan, latent: { ...plan, scale: 'log' } }),
  );
  expect(mixed.bases).toHaveLength(1);
  expect(mixed.followable([3, Math.E])).toEqual([1]);
  expect(mixed.pValue([3, 1], [2])).toEqual(mixed.pValue([3, Math.exp(-1)], [1]));
});

test('with a tenth of the weight a p-value ten times smaller is the same evidence', () => {
  const light = { reconstruction: plan, latent: { ...plan, weight: 0.1 } };
  const weighted = createSurpriseScale(fitSurprise(columns(5000, 1), 0.1, light));
  const surprise = (...statistics: number[]) => surpriseOf(weighted.pValue(statistics).p);
  expect(surprise(4, 5)).toBeGreaterThan(surprise(0, 405) + 0.5);
  expect(surprise(0, 405)).toBeGreaterThan(2);
});

describe('a statistic on a logarithmic scale', () => {
  const normal = seededNormal(7);
  const scores = Float64Array.from({ length: 4000 }, () => Math.exp(0.3 * normal()));
  const onLog = fitSurprise({ reconstruction: scores }, 0.1, {
    reconstruction: { scale: 'log', tail: 'exponential', weight: 1 },
  });
  const { pValue, followable, bases } = createSurpriseScale(onLog);

  test('is measured above its baseline: twice the value at twice the baseline has the same surprise', () => {
    expect(pValue([4], [Math.log(2)]).p).toBeCloseTo(pValue([2]).p, 10);
    expect(pValue([4]).p).toBeLessThan(pValue([2]).p / 10);
    expect(followable([4])).toEqual([Math.log(4)]);
    expect(bases).toHaveLength(1);
  });

  test('gives a perfect fit the least surprise', () => {
    expect(pValue([0]).p).toBeGreaterThan(0.99);
  });
});

test('a baseline that drifts during calibration raises every threshold', () => {
  const steady = seededNormal(3);
  const still = Float64Array.from({ length: 400 }, () => steady());
  const wandering = still.map((value, i) => value + [0, 0.8, -0.1, 0.9][Math.floor(i / 100)]!);
  const surpriseAt = (scores: Float64Array, above: number) => {
    const top = Math.max(...scores);
    return surpriseOf(
      createSurpriseScale(fitSurprise({ reconstruction: scores }, 0.1, { reconstruction: plan })).pValue([
        top + above,
      ]).p,
    );
  };
  expect(surpriseAt(wandering, 1)).toBeLessThan(surpriseAt(still, 1) - 0.5);
});

describe('groups', () => {
  /** Of three records two are calm; the scores of the third are three times as wide. A few are of a mode that is rare. */
  const groupOf = (i: number): string => (i % 50 === 49 ? 'rare' : i % 3 === 2 ? 'wild' : 'calm');
  const withGroups = (n: number, seed: number) => {
    const normal = seededNormal(seed);
    const groups = Array.from({ length: n }, (_, i) => groupOf(i));
    const reconstruction = Float64Array.from(
      groups,
      (group) => Math.abs(normal()) * (group === 'wild' ? 3 : 1),
    );
    return { groups, columns: { reconstruction } };
  };
  const past = withGroups(6000, 5);
  const now = withGroups(60_000, 6);
  const alarmRatio = (by: ReturnType<typeof createSurpriseScale>, group: string): number => {
    const own = [...now.groups.keys()].filter((i) => now.groups[i] === group);
    const alarms = own.filter((i) => by.pValue([now.columns.reconstruction[i]!], undefined, group).p <= 0.01);
    return alarms.length / own.length;
  };
  const only = { reconstruction: plan };

  test('the target holds in each group, and without groups in none', () => {
    const grouped = createSurpriseScale(fitSurprise(past.columns, 0.1, only, past.groups));
    for (const group of ['calm', 'wild']) {
      expect(alarmRatio(grouped, group)).toBeGreaterThan(0.005);
      expect(alarmRatio(grouped, group)).toBeLessThan(0.02);
    }
    const together = createSurpriseScale(fitSurprise(past.columns, 0.1, only));
    expect(alarmRatio(together, 'wild')).toBeGreaterThan(0.025);
    expect(alarmRatio(together, 'calm')).toBeLessThan(0.002);
  });

  test('a group with too few records, or an unknown one, uses the common calibration', () => {
    const state = fitSurprise(past.columns, 0.1, only, past.groups);
    expect(Object.keys(state.groups!).sort()).toEqual(['calm', 'wild']);
    const { pValue } = createSurpriseScale(state);
    for (const group of ['rare', 'new', undefined])
      expect(pValue([2], undefined, group)).toEqual(pValue([2]));
    expect(pValue([2], undefined, 'wild')).not.toEqual(pValue([2]));
  });
});
