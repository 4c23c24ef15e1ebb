/** The operator sets how often normal records may alarm; the threshold follows. */

export type FalseAlarmTarget =
  | { kind: 'ratio'; ratio: number }
  /** `count` alarms per `perMs` on one detector, converted with the record rate. */
  | { kind: 'rate'; count: number; perMs: number };

/** −log10 of a p-value: 3 = seen once in 1,000 normal records. */
export function surpriseOf(p: number): number {
  return p >= 1 ? 0 : -Math.log10(p);
}

/**
 * The target as a ratio of normal records.
 * @param recordsPerMs of the whole detector, all keys together
 * @param key of the configuration, for the message
 * @throws RangeError when a rate is asked for that the records cannot give
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
