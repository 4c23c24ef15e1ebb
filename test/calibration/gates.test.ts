import {
  addEvidence,
  judgeChallenger,
  judgePromoted,
  rankCorrelation,
  type ChallengerFacts,
  type PromotedFacts,
  type TrialEvidence,
  type VersionFacts,
} from '../../src/calibration/gates';
import { createRandom } from '../../src/tensor';

/** 10,000 records on which two versions agree, with ten alarms each at a target of 0.001. */
function evidence(changes: Partial<TrialEvidence['sample']> = {}): TrialEvidence {
  return {
    records: 100_000,
    events: 3,
    sample: {
      records: 10_000,
      alarms: { inUse: 10, shadow: 10 },
      surprises: Array.from({ length: 200 }, (_, i) => [i, i + 50 * (i % 2)] as const),
      ...changes,
    },
    secondsPerRecord: { inUse: 5e-6, shadow: 5e-6 },
  };
}

const facts: ChallengerFacts = {
  evidence: evidence(),
  challenger: { target: 0.001, extremalIndex: 0.5, reach: 8, loss: -1.1, power: 0.75 },
  inUse: { loss: -1, power: 0.8 },
};

const challenger = (changes: Partial<VersionFacts>): Partial<ChallengerFacts> => ({
  challenger: { ...facts.challenger, ...changes },
});

const failedGates = (changes: Partial<ChallengerFacts>) =>
  judgeChallenger({ ...facts, ...changes })
    .filter(({ passed }) => !passed)
    .map(({ gate }) => gate);

describe('a challenger', () => {
  it('passes if it is as good as the version in use', () => {
    expect(failedGates({})).toEqual([]);
    expect(judgeChallenger(facts).map(({ gate }) => gate)).toEqual([
      'alarms',
      'rank',
      'loss',
      'power',
      'cost',
    ]);
  });

  it('is refused if it raises far more alarms than its target allows', () => {
    // Three times ten, and five clusters of two.
    expect(failedGates({ evidence: evidence({ alarms: { inUse: 10, shadow: 40 } }) })).toEqual([]);
    expect(failedGates({ evidence: evidence({ alarms: { inUse: 10, shadow: 41 } }) })).toEqual(['alarms']);
  });

  it('is not refused for an incident that the version in use sees, too', () => {
    expect(failedGates({ evidence: evidence({ alarms: { inUse: 400, shadow: 700 } }) })).toEqual([]);
  });

  it.each([
    // Of versions that keep their target none is refused; of those that alarm ten times as often these at least.
    { records: 20_000, target: 0.001, extremalIndex: 1, caught: 0.99 },
    { records: 20_000, target: 0.001, extremalIndex: 0.2, caught: 0.95 },
    { records: 1_000, target: 0.01, extremalIndex: 0.2, caught: 0.8 },
    { records: 20_000, target: 0.0001, extremalIndex: 1, caught: 0.9 },
  ])('has a known power: $records records, target $target, extremal index $extremalIndex', (given) => {
    const { records, target, extremalIndex, caught } = given;
    const random = createRandom(1);
    const runs = 500;
    const refusedShare = (factor: number): number => {
      let refused = 0;
      for (let run = 0; run < runs; run++) {
        // A Poisson process of clusters with geometric sizes.
        const clusters = target * factor * records * extremalIndex;
        let shadow = 0;
        for (let at = -Math.log(1 - random.uniform()); at < clusters; at -= Math.log(1 - random.uniform())) {
          shadow++;
          while (random.uniform() > extremalIndex) shadow++;
        }
        const seen = evidence({ records, alarms: { inUse: target * records, shadow } });
        const known = challenger({ target, extremalIndex });
        refused += failedGates({ ...known, evidence: seen }).includes('alarms') ? 1 : 0;
      }
      return refused / runs;
    };
    expect(refusedShare(1)).toBeLessThan(0.01);
    expect(refusedShare(10)).toBeGreaterThan(caught);
  });

  it('is refused if its scores have nothing to do with those of the version in use', () => {
    const surprises = Array.from({ length: 200 }, (_, i) => [i, (i * 83) % 200] as const);
    expect(Math.abs(rankCorrelation(surprises))).toBeLessThan(0.2);
    expect(failedGates({ evidence: evidence({ surprises }) })).toEqual(['rank']);
    // Too few to say.
    expect(failedGates({ evidence: evidence({ surprises: surprises.slice(0, 50) }) })).toEqual([]);
  });

  it('is refused if it explains held-out records much worse', () => {
    expect(failedGates(challenger({ loss: -0.51 }))).toEqual([]);
    expect(failedGates(challenger({ loss: -0.4 }))).toEqual(['loss']);
    expect(failedGates(challenger({ loss: NaN }))).toEqual(['loss']);
    expect(failedGates(challenger({ loss: undefined }))).toEqual([]);
  });

  it('is refused if it is blind', () => {
    expect(failedGates(challenger({ power: 0.39 }))).toEqual(['power']);
    expect(failedGates({ ...challenger({ power: 0 }), inUse: { power: 0 } })).toEqual(['power']);
    expect(failedGates(challenger({ reach: 2.9 }))).toEqual(['power']);
    expect(failedGates({ inUse: {} })).toEqual([]);
  });

  it('is refused if it costs several times as much', () => {
    const slow = { ...evidence(), secondsPerRecord: { inUse: 5e-6, shadow: 16e-6 } };
    expect(failedGates({ evidence: slow })).toEqual(['cost']);
  });
});

describe('a promoted version', () => {
  const promoted: PromotedFacts = {
    evidence: { ...evidence({ alarms: { inUse: 100, shadow: 8 } }), events: 16, livePower: 0.7 },
    allowedEvents: 2,
    trainedPower: 0.8,
  };
  const failed = (changes: Partial<PromotedFacts>) =>
    judgePromoted({ ...promoted, ...changes })
      .filter(({ passed }) => !passed)
      .map(({ gate }) => gate);

  it('stays while its events are near the budget', () => {
    expect(failed({})).toEqual([]);
  });

  it('goes back with far more events than the budget allows', () => {
    expect(failed({ evidence: { ...promoted.evidence, events: 17 } })).toEqual(['events']);
  });

  it('stays in an incident: on the same records the previous version alarms, too, or none does', () => {
    const incident = (inUse: number, shadow: number) => ({
      evidence: { ...evidence({ alarms: { inUse, shadow } }), events: 500 },
    });
    expect(failed(incident(1000, 600))).toEqual([]);
    expect(failed(incident(5, 0))).toEqual([]);
    expect(failed(incident(1000, 300))).toEqual(['events']);
  });

  it('goes back when it has become blind', () => {
    expect(failed({ evidence: { ...promoted.evidence, livePower: 0.39 } })).toEqual(['power']);
    expect(failed({ trainedPower: undefined })).toEqual([]);
  });
});

it('correlates ranks as Spearman does', () => {
  expect(
    rankCorrelation([
      [1, 10],
      [2, 20],
      [3, 900],
    ]),
  ).toBe(1);
  expect(
    rankCorrelation([
      [1, 3],
      [2, 2],
      [3, 1],
    ]),
  ).toBe(-1);
  expect(
    rankCorrelation([
      [1, 1],
      [1, 2],
    ]),
  ).toBe(0);
  // Pearson's correlation of the ranks 1, 2.5, 2.5, 4, 5 and 2, 1, 3.5, 3.5, 5.
  expect(
    rankCorrelation([
      [1, 2],
      [2, 1],
      [2, 3],
      [4, 3],
      [5, 4],
    ]),
  ).toBeCloseTo(0.763157894736842, 12);
});

it('adds the evidence of several processes', () => {
  const together = addEvidence([
    evidence(),
    { ...evidence(), secondsPerRecord: { inUse: 7e-6, shadow: 5e-6 } },
  ]);
  expect(together).toMatchObject({
    records: 200_000,
    events: 6,
    secondsPerRecord: { inUse: 6e-6, shadow: 5e-6 },
  });
  expect(together.sample).toMatchObject({ records: 20_000, alarms: { inUse: 20, shadow: 20 } });
  expect(together.sample.surprises).toHaveLength(400);
  expect(addEvidence([])).toMatchObject({ records: 0, sample: { records: 0, surprises: [] } });
});
