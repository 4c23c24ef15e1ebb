import fc from 'fast-check';
import { createPValue, fitCalibration, smallestP } from '../../src/calibration/pvalue';
import { distanceToUniform, paretoSample, seededNormal } from './seeded';

const normalScores = (n: number, seed: number) => {
  const normal = seededNormal(seed);
  return Float64Array.from({ length: n }, normal);
};

/** Scores as they come: rough, smooth, with ties. */
const scores = fc.oneof(
  fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 300 }),
  fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 300 }),
  fc
    .tuple(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 20, max: 400 }))
    .map(([seed, n]) => [...paretoSample(0.2, 1, n, seed)]),
);
const tailShare = fc.constantFrom(0.01, 0.1, 0.3);
const anyScore = fc.oneof(fc.double(), fc.double({ min: -10, max: 30, noNaN: true }));

describe('for all calibration scores, the p-value', () => {
  test('lies in (0, 1]', () => {
    fc.assert(
      fc.property(scores, tailShare, anyScore, (calibration, share, score) => {
        const { p } = createPValue(fitCalibration(Float64Array.from(calibration), share))(score);
        expect(p).toBeGreaterThan(0);
        expect(p).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('never rises with the score', () => {
    fc.assert(
      fc.property(scores, tailShare, fc.array(anyScore, { minLength: 2 }), (calibration, share, more) => {
        const pValue = createPValue(fitCalibration(Float64Array.from(calibration), share));
        // At and next to the calibration scores themselves, where steps are.
        const ascending = [...more, ...calibration, ...calibration.map((s) => s + 1e-9)]
          .filter((score) => !Number.isNaN(score))
          .sort((a, b) => a - b);
        const p = ascending.map((score) => pValue(score).p);
        p.forEach((value, i) => expect(value).toBeLessThanOrEqual(p[i - 1] ?? 1));
      }),
    );
  });

  test('of a calibration score below the tail is its rank among them', () => {
    fc.assert(
      fc.property(scores, (calibration) => {
        const state = fitCalibration(Float64Array.from(calibration), 0.1);
        const pValue = createPValue(state);
        for (const score of calibration.filter((s) => s <= state.tailFrom)) {
          const notBelow = calibration.filter((other) => other >= score).length;
          expect(pValue(score).p).toBeCloseTo((1 + notBelow) / (calibration.length + 1), 12);
        }
      }),
    );
  });
});

test('the p-value of records like the calibration records is uniform', () => {
  const pValue = createPValue(fitCalibration(normalScores(5000, 1), 0.1));
  const p = Array.from(normalScores(5000, 2), (score) => pValue(score).p);
  // Two samples of 5,000: beyond 1.95·√(2/n) in one of a thousand seeds.
  expect(distanceToUniform(p)).toBeLessThan(1.95 * Math.sqrt(2 / 5000));
});

test('the p-value of more anomalous records is not', () => {
  const pValue = createPValue(fitCalibration(normalScores(5000, 1), 0.1));
  const p = Array.from(normalScores(5000, 2), (score) => pValue(score + 0.2).p);
  expect(distanceToUniform(p)).toBeGreaterThan(1.95 * Math.sqrt(2 / 5000));
});

test('far beyond the calibration records the p-value is about right: one in 100,000 of 5,000', () => {
  // An exponential distribution, whose tail is a Pareto tail of shape 0.
  const pValue = createPValue(fitCalibration(paretoSample(0, 1, 5000, 8), 0.1));
  const { p, extrapolated } = pValue(Math.log(1e5));
  expect(Math.abs(Math.log10(p) + 5)).toBeLessThan(0.7);
  expect(extrapolated).toBe(true);
});

describe('at the start of the tail', () => {
  const state = fitCalibration(paretoSample(0.2, 1, 1000, 4), 0.1);
  const pValue = createPValue(state);

  test('the tail is fitted to the configured share of the scores', () => {
    expect(state.tailCount).toBe(100);
    expect(state.scores.filter((score) => score > state.tailFrom)).toHaveLength(100);
  });

  test('the two parts meet', () => {
    const [below, above] = [pValue(state.tailFrom).p, pValue(state.tailFrom + 1e-12).p];
    expect(above).toBeCloseTo(101 / 1001, 9);
    // One rank, which the score itself has among the calibration scores.
    expect(below - above).toBeCloseTo(1 / 1001, 9);
  });

  test('the tail follows the ranks that it replaces', () => {
    const ranks = state.scores.slice(-100).map((_, i) => (101 - i) / 1001);
    const fitted = state.scores.slice(-100).map((score) => pValue(score).p);
    fitted.forEach((p, i) => expect(Math.abs(p - ranks[i]!)).toBeLessThan(0.02));
  });
});

describe('a p-value rests on the fitted tail alone', () => {
  test('if it is smaller than one in the number of calibration records', () => {
    const pValue = createPValue(fitCalibration(paretoSample(0.2, 1, 1000, 4), 0.1));
    const values = Array.from({ length: 400 }, (_, i) => pValue(i / 10));
    for (const { p, extrapolated } of values) expect(extrapolated).toBe(p < 1 / 1001);
    expect(new Set(values.map(({ extrapolated }) => extrapolated))).toEqual(new Set([true, false]));
  });

  test('or, if the tail is assumed, beyond the largest calibration score', () => {
    const pValue = createPValue(fitCalibration(Float64Array.of(1, 2, 3), 0.1));
    expect(pValue(3)).toEqual({ p: 0.5, extrapolated: false });
    expect(pValue(4)).toEqual({ p: expect.closeTo(0.25 * Math.exp(-1), 12), extrapolated: true });
  });
});

describe('the tail is assumed', () => {
  test.each([
    ['of too few scores', Float64Array.from({ length: 99 }, (_, i) => i), 0.1],
    ['of a share that leaves too few', Float64Array.from({ length: 900 }, (_, i) => i), 0.01],
    ['of scores that are all the same', new Float64Array(1000).fill(3), 0.1],
    ['above ties that reach the top', Float64Array.from({ length: 1000 }, (_, i) => Math.min(i, 895)), 0.1],
  ])('%s', (_, calibration, share) => {
    expect(fitCalibration(calibration, share)).toMatchObject({
      tailFrom: calibration.at(-1),
      tailCount: 0,
      tail: { method: 'assumed', shape: 0 },
    });
  });

  test('so that a tail is fitted to at least a tenth of a hundred scores', () => {
    const hundred = Float64Array.from({ length: 100 }, (_, i) => i);
    expect(fitCalibration(hundred, 0.1)).toMatchObject({ tailFrom: 89, tailCount: 10 });
    expect(fitCalibration(hundred, 0.1).tail.method).not.toBe('assumed');
  });
});

test('bounded calibration scores are extrapolated beyond their bound', () => {
  const state = fitCalibration(paretoSample(-0.3, 1, 2000, 6), 0.1);
  expect(state.tail).toMatchObject({ shape: 0, method: 'exponential' });
  expect(createPValue(state)(5).p).toBeGreaterThan(smallestP);
});

test('scores far from every calibration record have a surprise', () => {
  const pValue = createPValue(fitCalibration(paretoSample(0, 1, 1000, 4), 0.1));
  expect(pValue(Infinity)).toEqual({ p: smallestP, extrapolated: true });
  expect(pValue(-Infinity)).toEqual({ p: 1, extrapolated: false });
  expect(pValue(NaN)).toEqual({ p: 1, extrapolated: false });
});

test('the order of the calibration scores does not matter, and they are not changed', () => {
  const given = Float64Array.of(3, 1, 2);
  expect(fitCalibration(given, 0.1)).toEqual(fitCalibration(Float64Array.of(1, 2, 3), 0.1));
  expect([...given]).toEqual([3, 1, 2]);
});

test('a state restored from JSON gives the same p-values', () => {
  const state = fitCalibration(paretoSample(0.2, 1, 500, 4), 0.1);
  const restored = createPValue(JSON.parse(JSON.stringify(state)) as typeof state);
  for (const score of [0, 1, 5, 50]) expect(restored(score)).toEqual(createPValue(state)(score));
});

test.each([
  ['no score', []],
  ['a score that is not a number', [1, NaN]],
  ['an infinite score', [1, Infinity]],
])('calibration with %s is refused', (_, calibration) => {
  expect(() => fitCalibration(Float64Array.from(calibration), 0.1)).toThrow(RangeError);
});
