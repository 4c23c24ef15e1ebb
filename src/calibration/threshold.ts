/** From the false-alarm target of the operator to the alarm threshold. */

export type FalseAlarmTarget =
  | { kind: 'ratio'; ratio: number }
  /** `count` alarms per `perMs` of one detector, converted with the record rate. */
  | { kind: 'rate'; count: number; perMs: number };

/** Surprise of what no score outweighs, such as a violated limit. */
export const largestSurprise = 300;

/** −log10 of a p-value: 3 = once in 1,000 normal records. */
export function surpriseOf(p: number): number {
  return p >= 1 ? 0 : -Math.log10(p);
}

/**
 * The target as a ratio of normal records.
 * @param recordsPerMs of the whole detector, all keys together
 * @param key of the configuration, for the message
 * @throws RangeError if the records cannot give that rate
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

/** How much rarer than one calibration record a fitted tail may be extrapolated. */
const reach = 10_000;

/** A rate of alarms in clusters is a larger ratio of records, but never more than this. */
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
  // A rate counts clusters.
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
    /** Share of normal records that alarm. */
    ratio,
    /** −log10 of it. */
    surprise: surpriseOf(ratio),
    /** From where an event opens, decades above the threshold. */
    eventBar: {
      /** Clusters of normal records are as rare as the alarm budget. */
      margin: Math.max(0, lasting + Math.log10(extremalIndex)),
      /** Normal records are as rare. */
      lasting,
    },
    /** Less than one calibration record is expected to alarm, so that the threshold rests on the fitted tail. */
    extrapolated: ratio * (effectiveSize + 1) < 1,
  };
}
