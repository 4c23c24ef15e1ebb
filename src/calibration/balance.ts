/**
 * The balanced reconstruction: each channel in its own unit. The plain sum over the channels varies as its noisiest channel
 * does, so that a channel with heavy noise hides a fault of a quiet one. The unit is the contribution that the channel exceeds
 * in one of ten normal records. It is a quantile, because a mean would follow the few largest values. docs/quality.md compares
 * it with other units.
 */

/** By channel, the nats that its contribution is divided by. Stored in the model version. */
export type BalanceState = readonly number[];

/** The unit is this quantile of the contributions. */
const quantile = 0.9;

/**
 * Smallest unit, as a share of the mean unit: otherwise a channel that the model explains without any error would outweigh all
 * others.
 */
const leastShare = 0.1;

/**
 * @param contributions to the reconstruction in the calibration block. Shape [records, channels]
 * @param hasValue whether the record has a value of the channel: the unit of a channel that seldom reports is computed from its
 * reports
 */
export function fitBalance(
  contributions: Float64Array,
  channels: number,
  hasValue: (record: number, channel: number) => boolean,
): BalanceState {
  const records = contributions.length / channels;
  const quantiles = Array.from({ length: channels }, (_, channel) => {
    const seen: number[] = [];
    for (let record = 0; record < records; record++)
      if (hasValue(record, channel)) seen.push(contributions[record * channels + channel]!);
    return Float64Array.from(seen).sort()[Math.floor(quantile * seen.length)] ?? 0;
  });
  const mean = quantiles.reduce((sum, value) => sum + value / channels, 0);
  return quantiles.map((value) => Math.max(value, leastShare * mean) || 1);
}

/** Sums the contributions of each record, each in its unit. Shape [count, channels] → [count]. */
export function createBalance(
  units: BalanceState,
): (contributions: ArrayLike<number>, count: number) => Float64Array {
  const channels = units.length;
  return (contributions, count) => {
    const sums = new Float64Array(count);
    for (let record = 0; record < count; record++) {
      let sum = 0;
      for (let j = 0; j < channels; j++) sum += contributions[record * channels + j]! / units[j]!;
      sums[record] = sum;
    }
    return sums;
  };
}
