/** A detection from the scores of a record's window and its limit violations. */
import { smallestP } from '../calibration/pvalue';
import { surpriseOf } from '../calibration/threshold';
import type { Contribution, Detection } from '../domain/detection';
import type { LimitViolation } from '../domain/signal';
import { rowOf, type Scores } from '../scoring/detector';

/** Surprise of a record that violates a limit: the largest one, as no score outweighs a limit. */
const limitSurprise = surpriseOf(smallestP);

export type Explanation = ReturnType<Scores['explain']>;

export interface DetectionParts extends Pick<
  Detection,
  'detector' | 'key' | 'timestamp' | 'origin' | 'threshold' | 'limits' | 'modelVersion'
> {
  /** Scores of the batch with the record's window; undefined while the window is not full. */
  scores: Scores | undefined;
  /** Number of the record's window in `scores`. */
  window: number;
  /** Replaces the contributions of `scores`. */
  explanation: Explanation | undefined;
  missing: Detection['missing'];
  incomplete: Detection['incomplete'];
}

export function buildDetection(parts: DetectionParts): Detection {
  const { limits, threshold, scores, window, explanation } = parts;
  const surprise = recordSurprise(limits, scores, window);
  const anomalous = isAnomalous(limits, surprise, threshold);
  const contributions = explanation?.contributions ?? (anomalous ? scores?.contributions(window) : undefined);
  return {
    detector: parts.detector,
    key: parts.key,
    timestamp: parts.timestamp,
    origin: parts.origin,
    surprise,
    threshold,
    anomalous,
    extrapolated: limits.length === 0 && scores?.extrapolated[window] === 1,
    ...(parts.missing && { missing: parts.missing }),
    limits,
    statistics: scores?.statisticsOf(window) ?? {},
    ...(scores?.baselines && { baselines: rowOf(scores.baselines, window) }),
    contributions: violatedFirst(limits, contributions ?? []),
    ...(explanation && { nearestNormal: explanation.nearestNormal }),
    ...(parts.incomplete && { incomplete: parts.incomplete }),
    modelVersion: parts.modelVersion,
  };
}

/** @param scores undefined only where a limit is violated */
export function recordSurprise(
  limits: readonly LimitViolation[],
  scores: Scores | undefined,
  window: number,
): number {
  return limits.length > 0 ? limitSurprise : scores!.surprise[window]!;
}

export function isAnomalous(limits: readonly LimitViolation[], surprise: number, threshold: number): boolean {
  return limits.length > 0 || surprise >= threshold;
}

/** Puts the channels beyond a limit first. Without scores, their expected value is NaN. */
function violatedFirst(
  limits: readonly LimitViolation[],
  contributions: readonly Contribution[],
): readonly Contribution[] {
  if (limits.length === 0) return contributions;
  const violated = limits.map(({ channel, actual }): Contribution => {
    const scored = contributions.find((one) => one.channel === channel);
    const unscored = { channel, contribution: 0, actual, expected: NaN, repeats: 0 };
    return { ...(scored ?? unscored), surprise: limitSurprise };
  });
  return [
    ...violated,
    ...contributions.filter(({ channel }) => !limits.some((one) => one.channel === channel)),
  ];
}
