/**
 * The calibration of a model version: from the statistics of a record to one surprise. Four tests detect different faults: the
 * evidence of the newest records; a slow test for weak lasting deviations; the sections for deviations in a few of many
 * channels; and the runs of equal values. With weights that sum to 1, p = min(p_i / w_i) is a p-value for any dependence
 * between them (Bonferroni; Wasserman & Roeder 2006).
 */
import { createEvidence, type EvidenceState } from './evidence';
import { createSurprise, type TailState } from './tail';
import { largestSurprise } from './threshold';

/** The calibration of a group of records. */
export interface SurpriseGroup {
  evidence: EvidenceState;
  tail: TailState;
  /** Tail of the evidence minus the rise of its baseline (baseline.ts), for comparison with the threshold. */
  aboveBaseline: TailState;
  /** Number of independent records that contain as much information as the calibration block. */
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
  /** Absent if the history is too short for the slow test. */
  slow?: TailState;
  /** Tail of the largest section of channels; absent if there is only one section. */
  sections?: TailState;
  /** Whether runs of equal values are tested. */
  runs: boolean;
}

const weights = { slow: 0.1, sections: 0.02, runs: 0.02 };

/**
 * The slow test and the test of sections detect a deviation but do not measure it: their surprise is limited to one decade
 * above the range of their calibration.
 */
const decadesBeyond = 1;

export interface Surprise {
  /** −log10 of the p-value. */
  surprise: number;
  /** The surprise minus the rise of the device's baseline, for comparison with the threshold. */
  aboveBaseline: number;
  /** Less than one calibration record is expected to be as odd, so the value depends on the fitted tail. */
  extrapolated: boolean;
}

export interface Tests {
  /** Values of the statistics, in the order of the state. */
  statistics: ArrayLike<number>;
  /** T² of the slow test; ignored if that is not calibrated. */
  slow: number;
  /** The largest section; ignored if sections are not calibrated. */
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
     * Returns an object that the next call reuses.
     * @param rise of the baseline, given the evidence
     */
    surpriseOf(
      { statistics, slow, sections, runs, group }: Tests,
      rise: (evidence: number) => number,
    ): Surprise {
      const scale = (group === undefined ? undefined : byGroup.get(group)) ?? common;
      const evidence = scale.evidence(statistics);
      let others = 0;
      if (slowSurprise !== undefined) others = slowSurprise(slow);
      // Below its tail, this test must not reorder quiet records.
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

/** The surprise of a test with a weight, limited by a bound. */
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
