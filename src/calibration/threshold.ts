/** Converts the false-alarm target of the operator to the alarm threshold. */

export type FalseAlarmTarget =
  | { kind: 'ratio'; ratio: number }
  /** `count` alarms per `perMs` of one detector, converted with the record rate. */
  | { kind: 'rate'; count: number; perMs: number };

/** Surprise that no score exceeds, such as that of a violated limit. */
export const largestSurprise = 300;

/** −log10 of a p-value: 3 = once in 1,000 normal records. */
export function surpriseOf(p: number): number {
  return p >= 1 ? 0 : -Math.log10(p);
}

/**
 * The target as a ratio of normal records.
 * @param recordsPerMs of the whole detector, all keys together
 * @param key of the configuration, for the message
 * @throws RangeError if there are fewer records than the target's rate
 */
export function targetRatio(
  target: FalseAlarmTarget,
  recordsPerMs: number,
  key = 'calibration.falseAlarmTarget',
): number {
  if (target.kind === 'ratio') return target.ratio;
  const ratio = target.count / (target.perMs * recordsPerMs);
  if (!(ratio > 0 && ratio < 1)) {
    throw new RangeError(
      `${key} asks for ${target.count} in ${target.perMs / 1000} s, but only ` +
        `${(recordsPerMs * target.perMs).toPrecision(3)} records come in that time`,
    );
  }
  return ratio;
}

/** A fitted tail may be extrapolated to p-values this much smaller than those of calibration records. */
const reach = 10_000;

/** A rate of alarms that come in clusters allows a larger ratio of records, but at most this one. */
const mostClustered = 0.05;

/**
 * @param version record rate and calibration of a model version
 * @param eventsPerMs alarm budget of the detector, if it has one
 * @throws RangeError if the target is too rare for a calibration of this size
 */
export function alarmThreshold(
  target: FalseAlarmTarget,
  version: { recordsPerMs: number; calibration: { effectiveSize: number; extremalIndex: number } },
  eventsPerMs?: number,
) {
  const { effectiveSize, extremalIndex } = version.calibration;
  const asked = targetRatio(target, version.recordsPerMs);
  // A rate counts clusters of alarms.
  const ratio =
    target.kind === 'ratio' ? asked : Math.max(asked, Math.min(mostClustered, asked / extremalIndex));
  const least = 1 / (reach * (effectiveSize + 1));
  if (ratio < least) {
    throw new RangeError(
      `calibration.falseAlarmTarget is ${ratio.toPrecision(2)} of the records, but calibration records worth ` +
        `${Math.round(effectiveSize)} independent ones support ${least.toPrecision(2)} and more: ask for more, or train on more records`,
    );
  }
  const lasting =
    eventsPerMs === undefined ? 0 : Math.log10(version.recordsPerMs / eventsPerMs) - surpriseOf(ratio);
  return {
    /** Share of normal records that may alarm. */
    ratio,
    /** Surprise of that share: its −log10. */
    surprise: surpriseOf(ratio),
    /** Bar from which an event opens, decades above the threshold. */
    eventBar: {
      /** Above it, clusters of normal records are as rare as the alarm budget. */
      margin: Math.max(0, lasting + Math.log10(extremalIndex)),
      /** Above it, single normal records are as rare as the alarm budget. */
      lasting,
    },
    /** Less than one calibration record is expected to alarm, so the threshold depends on the fitted tail. */
    extrapolated: ratio * (effectiveSize + 1) < 1,
  };
}
