/**
 * From a statistic to a p-value: the share of normal records that are at least as odd. Empirical up to a high quantile of
 * held-out calibration scores, a generalised Pareto tail above it.
 */
import { createRank } from './rank';
import {
  assumedTail,
  exponentialTail,
  fitParetoTail,
  minExcesses,
  tailSurvival,
  withoutEnd,
  type ParetoTail,
} from './tail';

/** Stored in the model version. */
export interface CalibrationState {
  /** Calibration scores in ascending order. */
  scores: readonly number[];
  /** Start of the tail, which is fitted to the scores above it. */
  tailFrom: number;
  /** Scores above `tailFrom`. */
  tailCount: number;
  tail: ParetoTail;
}

export interface PValue {
  /** In (0, 1]. Falls, or stays, as the score grows. */
  p: number;
  /** The calibration is expected to contain less than one such record, so that the value rests on the fitted tail. */
  extrapolated: boolean;
}

/** Lower bound of p-values, so that surprise stays finite. */
export const smallestP = 1e-300;

/**
 * Prior knowledge of the tail. The tail of a logarithm of evidence is exponential by construction: with a shape fitted to a few
 * dozen excesses, one odd record among them would decide the far tail.
 */
export type TailShape = 'free' | 'exponential';

/**
 * @param scores statistic of calibration records, larger = more anomalous; never of training records
 * @param tailShare share of the scores that the tail is fitted to, in (0, 1)
 * @throws RangeError if there is no score, or one is not finite
 */
export function fitCalibration(
  scores: Float64Array,
  tailShare: number,
  tailShape: TailShape = 'free',
): CalibrationState {
  if (scores.length === 0) throw new RangeError('no calibration scores');
  const sorted = Float64Array.from(scores).sort();
  if (!sorted.every(Number.isFinite)) throw new RangeError('calibration scores must be finite');
  const n = sorted.length;
  const wanted = Math.floor(n * tailShare);
  const tailFrom = sorted[Math.max(0, n - wanted - 1)]!;
  const excesses = sorted.filter((s) => s > tailFrom).map((s) => s - tailFrom);
  const state = { scores: Array.from(sorted), tailFrom, tailCount: excesses.length };
  if (wanted < minExcesses || excesses.length < minExcesses)
    return { ...state, tailFrom: sorted[n - 1]!, tailCount: 0, tail: assumedTail(sorted) };
  if (tailShape === 'exponential') return { ...state, tail: exponentialTail(excesses) };
  return { ...state, tail: withoutEnd(fitParetoTail(excesses), excesses) };
}

/** @param size number of independent records that the calibration is worth */
export function createPValue(state: CalibrationState, size = state.scores.length): (score: number) => PValue {
  const survival = createSurvival(state);
  return (score) => {
    const p = survival(score);
    return { p, extrapolated: score > state.tailFrom && p < 1 / (size + 1) };
  };
}

/** Only the p-value: (1 + #{calibration ≥ score}) / (n + 1) below the tail (Vovk, Gammerman & Shafer 2005, §2.2). */
export function createSurvival(state: CalibrationState): (score: number) => number {
  const scores = Float64Array.from(state.scores);
  const n = scores.length;
  const rank = createRank(scores);
  const { tail, tailFrom, tailCount } = state;
  // The empirical value at the start of the tail, so that the two parts meet and p never rises with the score.
  const atFoot = (1 + tailCount) / (n + 1);

  return (score) => {
    if (Number.isNaN(score)) return 1;
    if (score <= tailFrom) return (1 + n - rank(score)) / (n + 1);
    return Math.max(atFoot * tailSurvival(tail, score - tailFrom), smallestP);
  };
}
