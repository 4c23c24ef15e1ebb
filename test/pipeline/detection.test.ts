import type { Contribution } from '../../src/domain/detection';
import type { LimitViolation } from '../../src/domain/signal';
import { buildDetection, type DetectionParts } from '../../src/pipeline/detection';
import type { Scores } from '../../src/scoring/detector';

const contribution = (channel: string, more: Partial<Contribution> = {}): Contribution => ({
  channel,
  contribution: 1,
  surprise: 2,
  actual: 5,
  expected: 0,
  repeats: 1,
  ...more,
});

/** Two windows; the first is normal. */
const scores: Scores = {
  count: 2,
  surprise: Float64Array.of(1, 4),
  extrapolated: Uint8Array.of(0, 1),
  statistics: {},
  markOf: () => [],
  statisticsOf: (window) => ({ reconstruction: 10 * window }),
  aboveBaseline: Float64Array.of(1, 4),
  baselineOf: (window) => ({ rise: 0.5 * window, shifts: {} }),
  unknownConditions: 0,
  contributions: () => [contribution('flow'), contribution('power'), contribution('level')],
  writeValues: () => undefined,
  explain: () => {
    throw new Error('explaining is not part of building a detection');
  },
};

const explanation = {
  contributions: [contribution('level', { expected: 7 }), contribution('flow', { expected: 8 })],
  nearestNormal: { reconstruction: 3, leftOut: ['level'], latent: [] },
};

const tooHigh: LimitViolation = { channel: 'power', limit: 'max', bound: 4, actual: 5 };

const build = (parts: Partial<DetectionParts> = {}) =>
  buildDetection({
    detector: 'plant',
    key: 'a',
    timestamp: 17,
    origin: { topic: 't', partition: 0, offset: '3' },
    targetThreshold: 3,
    limits: [],
    scores,
    window: 1,
    explanation: undefined,
    missing: undefined,
    incomplete: undefined,
    modelVersion: 'v1',
    ...parts,
  });
const channelsOf = ({ contributions }: ReturnType<typeof build>) =>
  contributions.map(({ channel }) => channel);

test('an anomalous record has its contributions, statistics and baselines', () => {
  expect(build()).toEqual({
    detector: 'plant',
    key: 'a',
    timestamp: 17,
    origin: { topic: 't', partition: 0, offset: '3' },
    surprise: 4,
    threshold: 3,
    targetThreshold: 3,
    anomalous: true,
    extrapolated: true,
    limits: [],
    statistics: { reconstruction: 10 },
    baseline: { rise: 0.5, shifts: {} },
    contributions: scores.contributions(1),
    modelVersion: 'v1',
  });
});

test('a normal record has no contributions', () => {
  expect(build({ window: 0 })).toMatchObject({ surprise: 1, anomalous: false, contributions: [] });
});

test('an explanation replaces the contributions, of a normal record too', () => {
  for (const window of [0, 1])
    expect(build({ window, explanation })).toMatchObject({
      contributions: explanation.contributions,
      nearestNormal: explanation.nearestNormal,
    });
});

describe('a violated limit', () => {
  test('makes the record anomalous with the largest surprise, whatever its score', () => {
    expect(build({ window: 0, limits: [tooHigh] })).toMatchObject({
      surprise: 300,
      anomalous: true,
      extrapolated: false,
      limits: [tooHigh],
      statistics: { reconstruction: 0 },
    });
  });

  test.each([
    ['without an explanation', undefined, ['power', 'flow', 'level'], 0],
    ['with an explanation', explanation, ['power', 'level', 'flow'], NaN],
  ])('puts its channel first %s', (_, given, channels, expected) => {
    const detection = build({ limits: [tooHigh], explanation: given });
    expect(channelsOf(detection)).toEqual(channels);
    expect(detection.contributions[0]).toMatchObject({ surprise: 300, actual: 5, expected });
  });

  test('is reported before the window of the key is full', () => {
    const detection = build({ limits: [tooHigh], scores: undefined, window: -1 });
    expect(detection).toMatchObject({ surprise: 300, anomalous: true, extrapolated: false, statistics: {} });
    expect(detection.contributions).toEqual([
      { channel: 'power', contribution: 0, surprise: 300, actual: 5, expected: NaN, repeats: 0 },
    ]);
    expect(detection).not.toHaveProperty('baselines');
  });
});

test('incomplete parts are named', () => {
  expect(build({ incomplete: ['window'] })).toMatchObject({ incomplete: ['window'] });
});
