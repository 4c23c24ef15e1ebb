import { createDriftWatch } from '../../src/calibration/drift';
import { createBets, createDriftMartingale, createRanks } from '../../src/calibration/martingale';
import { createSurprise, fitTail } from '../../src/calibration/tail';
import { seededNormal, seededUniform } from './seeded';

describe('without drift', () => {
  test('it detects nothing in a million records if the bound allows less than one detection in a hundred', () => {
    const uniform = seededUniform(1);
    const martingale = createDriftMartingale(1e8, 1000, seededUniform(2));
    let spoken = 0;
    for (let i = 0; i < 1e6; i++) if (martingale.observe(uniform())) spoken++;
    expect(spoken).toBe(0);
  });

  test('it detects drift no more often than the bound allows', () => {
    const uniform = seededUniform(3);
    const martingale = createDriftMartingale(1000, 100, seededUniform(4));
    let spoken = 0;
    for (let i = 0; i < 1e6; i++) if (martingale.observe(uniform())) spoken++;
    // Expected at most 1,000; the count of rare, independent starts has a standard deviation of about 32.
    expect(spoken).toBeLessThan(1100);
    expect(spoken).toBeGreaterThan(300);
  });

  test.each([50, 1000])('it keeps the bound with only %d calibration records', (n) => {
    const normal = seededNormal(5);
    let spoken = 0;
    for (let repetition = 0; repetition < 20; repetition++) {
      const scores = Float64Array.from({ length: n }, normal);
      const pValue = createSurprise(fitTail(scores));
      const martingale = createDriftMartingale(1000, n, seededUniform(6 + repetition));
      for (let i = 0; i < 20_000; i++) if (martingale.observe(10 ** -pValue(normal()))) spoken++;
    }
    // 400,000 records: at most 400 on average. Betting on the p-values themselves would find each calibration biased.
    expect(spoken).toBeLessThan(460);
  });
});

describe('after a shift', () => {
  /** Records from the shift to the detection. */
  function delay(shifted: (p: number) => number, seed: number): number {
    const uniform = seededUniform(seed);
    const martingale = createDriftMartingale(1e6, 1000, seededUniform(seed + 1000));
    for (let i = 0; i < 3000; i++) martingale.observe(uniform());
    for (let i = 1; i <= 10_000; i++) if (martingale.observe(shifted(uniform()))) return i;
    return Infinity;
  }
  const slowest = (shifted: (p: number) => number): number =>
    Math.max(...Array.from({ length: 20 }, (_, seed) => delay(shifted, 10 * seed)));

  test.each([
    ['every record is as odd as can be', () => 1e-12, 30],
    ['p-values are half of what they were', (p: number) => p / 2, 60],
    ['p-values are 0.7 of what they were', (p: number) => 0.7 * p, 150],
    ['records are calmer than they were', (p: number) => (1 + p) / 2, 60],
    ['p-values are squared', (p: number) => p * p, 500],
  ])('drift is detected in time if %s', (_, shifted, within) => {
    expect(slowest(shifted)).toBeLessThanOrEqual(within);
  });

  test('a short incident is no drift: a dozen extreme records are not enough', () => {
    const uniform = seededUniform(7);
    const martingale = createDriftMartingale(1e6, 1000, seededUniform(8));
    for (let i = 0; i < 3000; i++) martingale.observe(uniform());
    for (let i = 0; i < 12; i++) expect(martingale.observe(1e-300)).toBe(false);
    const after = Array.from({ length: 200 }, () => martingale.observe(uniform()));
    expect(after).not.toContain(true);
  });
});

test('ranks are uniform for every distribution of p-values, ties included', () => {
  const uniform = seededUniform(9);
  const rankOf = createRanks(0, seededUniform(10));
  const tenths = new Float64Array(10);
  const n = 50_000;
  for (let i = 0; i < n; i++)
    tenths[Math.floor(rankOf(uniform() < 0.5 ? 1 : uniform() ** 3) * 10)]! += 10 / n;
  for (const share of tenths) expect(share).toBeCloseTo(1, 1);
});

test('a bet is fair: it pays 1 on average over all ranks', () => {
  const uniform = seededUniform(11);
  const grid = Array.from({ length: 1000 }, (_, i) => (i + 0.5) / 1000);
  for (let history = 0; history < 20; history++) {
    const past = Array.from({ length: history * 5 }, () => uniform() ** 2);
    const payoffs = grid.map((rank) => {
      const bet = createBets();
      for (const one of past) bet(one);
      return bet(rank);
    });
    expect(payoffs.reduce((sum, pay) => sum + pay / grid.length, 0)).toBeCloseTo(1, 9);
    expect(Math.max(...payoffs)).toBeLessThanOrEqual(1.9);
  }
});

describe('the drift watch of a model version', () => {
  const options = {
    recordsPerFalseStart: 1e6,
    independentAfter: 20,
    calibrationRecords: 20_000,
    random: seededUniform(12),
  };

  test('uses one in N records of each key, so that dependent neighbours are no evidence', () => {
    // Autoregressive with φ = 0.8: an autocorrelation time of 9, of which 20 is twice and a little.
    const normal = seededNormal(13);
    const normalTail = createSurprise(fitTail(Float64Array.from({ length: 20_000 }, () => normal())));
    const states = [0, 0, 0];
    const run = (independentAfter: number): number => {
      let spoken = 0;
      for (let repetition = 0; repetition < 20; repetition++) {
        const watch = createDriftWatch({
          ...options,
          recordsPerFalseStart: 1e6,
          independentAfter,
          random: seededUniform(100 + repetition),
        });
        for (let i = 0; i < 30_000; i++) {
          const key = i % 3;
          states[key] = 0.8 * states[key]! + 0.6 * normal();
          watch.observe(String(key), normalTail(states[key]));
        }
        if (watch.active) spoken++;
      }
      return spoken;
    };
    // 600,000 records at one false start in a million.
    expect(run(20)).toBeLessThanOrEqual(3);
    expect(run(1)).toBeGreaterThan(10);
  });

  test('stays active after a detection, and its evidence rises to 1', () => {
    const uniform = seededUniform(14);
    const watch = createDriftWatch(options);
    for (let i = 0; i < 20_000; i++) watch.observe('a', -Math.log10(uniform()));
    expect(watch.active).toBe(false);
    expect(watch.evidenceRatio).toBeLessThan(1);
    // 20 records in one, and at most 30 of these: as odd as can be.
    for (let i = 0; i < 600; i++) watch.observe('a', -Math.log10(1e-9));
    expect(watch).toMatchObject({ active: true, evidenceRatio: 1 });
    for (let i = 0; i < 20_000; i++) watch.observe('a', -Math.log10(uniform()));
    expect(watch.active).toBe(true);
  });
});
