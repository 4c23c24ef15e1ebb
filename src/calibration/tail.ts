/**
 * From a statistic to its surprise, −log10 of a p-value: by its rank among held-out calibration scores, and above the largest
 * of them by an exponential tail (peaks over threshold: Coles 2001, ch. 4). It is never computed from p, which underflows at
 * 1e-308: extreme values must keep their order.
 */
import { createRank } from './rank';

/** Scores of a stretch of records, in ascending order, and the tail above them. */
interface Stretch {
  scores: readonly number[];
  /** The tail begins above this score. */
  foot: number;
  /** Number of scores that the tail is fitted to: the √n largest. */
  excesses: number;
  /** Mean of their distances above the foot. */
  scale: number;
}

/** The tail of the scores in the calibration block. Stored in the model version. */
export interface TailState extends Stretch {
  /**
   * Scores of the records before the calibration block. The model was trained on them, so if they still reach further, the
   * calibration block does not cover everything that the plant does.
   */
  before?: HistoryState;
}

interface HistoryState extends Stretch {
  /** Every `step`-th score is stored, from the highest on. */
  step: number;
}

/** Least number of excesses, unless there are fewer scores. */
const minExcesses = 10;

/** Smallest scale: a constant statistic has no tail. */
const leastScale = 1e-9;

/** Maximum number of stored scores of the records before the calibration block. */
const mostStored = 2000;

/**
 * @param scores statistic of calibration records, larger = more anomalous; never of training records
 * @param before statistic of the records before them, as far as it is known
 * @throws RangeError if there is no score, or if one is not finite
 */
export function fitTail(scores: Float64Array, before: Float64Array = new Float64Array()): TailState {
  if (scores.length === 0) throw new RangeError('no calibration scores');
  const own = fitStretch(scores);
  const known = before.filter(Number.isFinite);
  if (known.length === 0) return own;
  const step = Math.ceil(known.length / mostStored);
  const history = fitStretch(known);
  const stored = history.scores.filter((_, i) => (known.length - 1 - i) % step === 0);
  return { ...own, before: { ...history, step, scores: stored } };
}

function fitStretch(scores: Float64Array): Stretch {
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
 * Uses the larger of two p-values: by the calibration block, and by the records before it. Surprise never falls as the score
 * grows.
 * @returns a function for the surprise of a score, ≥ 0; 0 for NaN
 */
export function createSurprise({ before, ...block }: TailState): (score: number) => number {
  const byBlock = createOfStretch(block, 1);
  if (before === undefined) return byBlock;
  const byHistory = createOfStretch(before, before.step);
  return (score) => Math.min(byBlock(score), byHistory(score));
}

/**
 * Up to the foot: −log10 of (1 + #{scores ≥ score}) / (n + 1) (Vovk, Gammerman & Shafer 2005, § 2.2). Above it: the predictive
 * distribution of an exponential whose scale is estimated from k excesses, p = (1 + y / (k·scale))^−k. It is an exponential for
 * large k, and more cautious for small k.
 * @param step number of scores that each stored one represents
 */
function createOfStretch(
  { scores, foot, excesses, scale }: Stretch,
  step: number,
): (score: number) => number {
  const n = scores.length * step;
  const rank = createRank(Float64Array.from(scores));
  const atFoot = Math.log10((n + 1) / (excesses + 1));
  const perExcess = 1 / (excesses * scale);
  return (score) => {
    if (Number.isNaN(score)) return 0;
    if (score <= foot) return -Math.log10((1 + n - step * rank(score)) / (n + 1));
    return atFoot + (excesses * Math.log1p((score - foot) * perExcess)) / Math.LN10;
  };
}
