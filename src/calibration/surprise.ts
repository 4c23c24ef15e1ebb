/**
 * The calibration of a model version: from the statistics of a record to one surprise. Four tests look for different faults: the
 * evidence of the newest records; a slow test for what is weak and lasts; the sections of the channels, for what is in a few of many;
 * and the runs of equal values. With weights that sum to 1, p = min(p_i / w_i) is a p-value whatever the dependence between them
 * (Bonferroni; Wasserman & Roeder 2006).
 */
import { createEvidence, type EvidenceState } from './evidence';
import { createSurprise, type TailState } from './tail';
import { largestSurprise } from './threshold';

/** The calibration of a group of records. */
export interface SurpriseGroup {
  evidence: EvidenceState;
  tail: TailState;
  /** Tail of the evidence less the rise of its baseline (baseline.ts): what a threshold is compared with. */
  aboveBaseline: TailState;
  /** Number of independent records that the calibration block is worth. */
  effectiveSize: number;
}

/** Stored in the model version. */
export interface SurpriseState extends SurpriseGroup {
  /** Extremal index of the evidence in the calibration block, at the foot of its tail. */
  extremalIndex: number;
  /**
   * Separate calibrations, so that the target holds in each group (Mondrian conformal prediction: Vovk, Gammerman & Shafer
   * 2005, § 4.5). A group with too few records is absent and uses the common calibration.
   */
  groups?: Readonly<Record<string, SurpriseGroup>>;
  /** Absent where history is too short for the slow test. */
  slow?: TailState;
  /** Tail of the largest section of channels; absent where there is only one. */
  sections?: TailState;
  /** Whether runs of equal values are tested. */
  runs: boolean;
}

const weights = { slow: 0.1, sections: 0.02, runs: 0.02 };

/**
 * The slow test and that of sections find that something is wrong, not how much: their surprise ends a decade above what their
 * calibration has seen.
 */
const decadesBeyond = 1;

export interface Surprise {
  /** −log10 of the p-value. */
  surprise: number;
  /** The same above the baseline of the device: what a threshold is compared with. */
  aboveBaseline: number;
  /** Fewer than one calibration record is expected to be as odd, so that the value rests on the fitted tail. */
  extrapolated: boolean;
}

export interface Tests {
  /** Values of the statistics, in the order of the state. */
  statistics: ArrayLike<number>;
  /** T² of the slow test; ignored without its calibration. */
  slow: number;
  /** The largest section; ignored without its calibration. */
  sections: number;
  /** Surprise of the runs. */
  runs: number;
  group: string | undefined;
}

export function createSurpriseScale(state: SurpriseState) {
  const common = createGroupScale(state);
  const byGroup = new Map(
    Object.entries(state.groups ?? {}).map(([group, own]) => [group, createGroupScale(own)]),
  );
  const slowSurprise = state.slow && createBounded(state.slow, weights.slow);
  const sectionsSurprise = state.sections && createBounded(state.sections, weights.sections);
  const left =
    1 -
    (state.slow ? weights.slow : 0) -
    (state.sections ? weights.sections : 0) -
    (state.runs ? weights.runs : 0);
  const [ofFast, ofRuns] = [left, weights.runs].map(Math.log10) as [number, number];
  const result: Surprise = { surprise: 0, aboveBaseline: 0, extrapolated: false };
  return {
    names: Object.keys(state.evidence),
    /**
     * The result is reused by the next call.
     * @param rise of the baseline for an evidence
     */
    surpriseOf(
      { statistics, slow, sections, runs, group }: Tests,
      rise: (evidence: number) => number,
    ): Surprise {
      const scale = (group === undefined ? undefined : byGroup.get(group)) ?? common;
      const evidence = scale.evidence(statistics);
      let others = 0;
      if (slowSurprise !== undefined) others = slowSurprise(slow);
      // Below its tail it must not reorder quiet records.
      if (sectionsSurprise !== undefined && sections > state.sections!.foot)
        others = Math.max(others, sectionsSurprise(sections));
      if (state.runs) others = Math.max(others, runs + ofRuns);
      const fast = scale.surprise(evidence) + ofFast;
      result.surprise = bounded(Math.max(fast, others));
      result.aboveBaseline = bounded(
        Math.max(scale.aboveBaseline(evidence - rise(evidence)) + ofFast, others),
      );
      result.extrapolated = fast >= others && fast > scale.largestSeen;
      return result;
    },
  };
}

/** The surprise of a test with a weight, which has a bound. */
function createBounded(tail: TailState, weight: number): (statistic: number) => number {
  const surprise = createSurprise(tail);
  const most = Math.log10(tail.scores.length + 1) + decadesBeyond;
  const ofWeight = Math.log10(weight);
  return (statistic) => Math.min(most, surprise(statistic)) + ofWeight;
}

function bounded(surprise: number): number {
  return Math.max(0, Math.min(largestSurprise, surprise));
}

function createGroupScale({ evidence, tail, aboveBaseline, effectiveSize }: SurpriseGroup) {
  return {
    evidence: createEvidence(evidence),
    surprise: createSurprise(tail),
    aboveBaseline: createSurprise(aboveBaseline),
    largestSeen: Math.log10(effectiveSize + 1),
  };
}
