/**
 * From a statistic to its surprise, −log10 of a p-value: by its rank among held-out calibration scores, and beyond the largest of
 * them by an exponential tail (peaks over threshold: Coles 2001, ch. 4). It is never computed by way of p, which ends at 1e-308:
 * what is far out must stay in order.
 */
import { createRank } from './rank';

/** Stored in the model version. */
export interface TailState {
  /** Calibration scores in ascending order. */
  scores: readonly number[];
  /** The tail begins above this score. */
  foot: number;
  /** Number of scores that the tail is fitted to: the √n largest. */
  excesses: number;
  /** Mean of their distances above the foot. */
  scale: number;
}

/** Least number of excesses, unless there are fewer scores. */
const minExcesses = 10;

/** A constant statistic has no tail; nothing beyond it is that much rarer. */
const leastScale = 1e-9;

/**
 * @param scores statistic of calibration records, larger = more anomalous; never of training records
 * @throws RangeError if there is no score, or one is not finite
 */
export function fitTail(scores: Float64Array): TailState {
  if (scores.length === 0) throw new RangeError('no calibration scores');
  const sorted = Float64Array.from(scores).sort();
  if (!sorted.every(Number.isFinite)) throw new RangeError('calibration scores must be finite');
  const n = sorted.length;
  const excesses = Math.max(1, Math.min(n - 1, Math.max(minExcesses, Math.floor(Math.sqrt(n)))));
  const foot = sorted[Math.max(0, n - excesses - 1)]!;
  let sum = 0;
  for (let i = n - excesses; i < n; i++) sum += sorted[i]! - foot;
  return { scores: Array.from(sorted), foot, excesses, scale: Math.max(leastScale, sum / excesses) };
}

/**
 * Up to the foot −log10 of (1 + #{calibration ≥ score}) / (n + 1) (Vovk, Gammerman & Shafer 2005, § 2.2). Above it the predictive
 * distribution of an exponential whose scale is known from k excesses alone, p = (1 + y / (k·scale))^−k: an exponential for
 * large k, more careful for small ones.
 * @returns the surprise of a score, ≥ 0, which never falls as the score grows; 0 for NaN
 */
export function createSurprise({ scores, foot, excesses, scale }: TailState): (score: number) => number {
  const n = scores.length;
  const rank = createRank(Float64Array.from(scores));
  const atFoot = Math.log10((n + 1) / (excesses + 1));
  const perExcess = 1 / (excesses * scale);
  return (score) => {
    if (Number.isNaN(score)) return 0;
    if (score <= foot) return -Math.log10((1 + n - rank(score)) / (n + 1));
    return atFoot + (excesses * Math.log1p((score - foot) * perExcess)) / Math.LN10;
  };
}
