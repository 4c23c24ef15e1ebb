/** A detection from the scores of a record's window and its limit violations. */
import { largestSurprise } from '../calibration/threshold';
import type { Contribution, Detection } from '../domain/detection';
import { nameOfBox, toOriginal, type Frame } from '../domain/image';
import type { LimitViolation } from '../domain/signal';
import type { Scores } from '../scoring/detector';

export type Explanation = ReturnType<Scores['explain']>;

export interface DetectionParts extends Pick<
  Detection,
  'detector' | 'key' | 'timestamp' | 'origin' | 'targetThreshold' | 'limits' | 'modelVersion'
> {
  /** Scores of the batch with the record's window; undefined while the window is not full. */
  scores: Scores | undefined;
  /** Number of the record's window in `scores`. */
  window: number;
  /** Replaces the contributions of `scores`. */
  explanation: Explanation | undefined;
  /** The original frame of an image that came in another size. */
  frame?: Frame | undefined;
  missing: Detection['missing'];
  incomplete: Detection['incomplete'];
}

export function buildDetection(parts: DetectionParts): Detection {
  const { limits, targetThreshold, scores, window, frame } = parts;
  const threshold = recordThreshold(targetThreshold, scores, window);
  const explanation = parts.explanation && inOriginal(parts.explanation, frame);
  const surprise = recordSurprise(limits, scores, window);
  const anomalous = isAnomalous(limits, surprise, threshold);
  const baseline = scores?.baselineOf(window);
  const contributions =
    explanation?.contributions ??
    (anomalous ? inOriginal(scoredOf(scores, window), frame).contributions : []);
  return {
    detector: parts.detector,
    key: parts.key,
    timestamp: parts.timestamp,
    origin: parts.origin,
    surprise,
    threshold,
    targetThreshold,
    anomalous,
    extrapolated: limits.length === 0 && scores?.extrapolated[window] === 1,
    ...(parts.missing && { missing: parts.missing }),
    limits,
    statistics: scores?.statisticsOf(window) ?? {},
    ...(baseline && { baseline }),
    contributions: violatedFirst(limits, contributions),
    ...(explanation && { nearestNormal: explanation.nearestNormal }),
    ...(parts.incomplete && { incomplete: parts.incomplete }),
    modelVersion: parts.modelVersion,
  };
}

function scoredOf(scores: Scores | undefined, window: number): Pick<Explanation, 'contributions'> {
  return { contributions: scores?.contributions(window) ?? [] };
}

/** A copy with the regions in pixels of the original image. */
function inOriginal<Explained extends Pick<Explanation, 'contributions'> & Partial<Explanation>>(
  explained: Explained,
  frame: Frame | undefined,
): Explained {
  if (frame === undefined) return explained;
  const names = new Map<string, string>();
  const contributions = explained.contributions.map((one) => {
    if (one.region === undefined) return one;
    const region = toOriginal(one.region, frame);
    names.set(one.channel, nameOfBox(region));
    return { ...one, channel: nameOfBox(region), region };
  });
  const { nearestNormal } = explained;
  return {
    ...explained,
    contributions,
    ...(nearestNormal && {
      nearestNormal: {
        ...nearestNormal,
        leftOut: nearestNormal.leftOut.map((name) => names.get(name) ?? name),
      },
    }),
  };
}

/** @param scores undefined only where a limit is violated */
export function recordSurprise(
  limits: readonly LimitViolation[],
  scores: Scores | undefined,
  window: number,
): number {
  return limits.length > 0 ? largestSurprise : scores!.surprise[window]!;
}

/** The threshold of a record, raised by the baseline of its device. */
export function recordThreshold(threshold: number, scores: Scores | undefined, window: number): number {
  if (scores === undefined) return threshold;
  return threshold + scores.surprise[window]! - scores.aboveBaseline[window]!;
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
    return { ...(scored ?? unscored), surprise: largestSurprise };
  });
  return [
    ...violated,
    ...contributions.filter(({ channel }) => !limits.some((one) => one.channel === channel)),
  ];
}
