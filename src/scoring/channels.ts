/**
 * Each channel on its own scale. The sum over all channels is as wild as its wildest one: where disk traffic comes in
 * bursts, a latency that is four times what it was drowns in them. So the part of the reconstruction statistic that a
 * channel has is calibrated for itself, and the most unusual channels speak for the record.
 */
import { logEvidence } from '../calibration/combine';
import { createSurvival, fitCalibration, type CalibrationState } from '../calibration/pvalue';

/** One calibration per channel; goes into the model version. */
export type ChannelState = readonly CalibrationState[];

/**
 * @param parts what each channel adds to the reconstruction statistic, shape [count, channels], of calibration windows
 */
export function fitChannels(parts: Float64Array, channels: number, tailShare: number): ChannelState {
  return Array.from({ length: channels }, (_, channel) =>
    fitCalibration(
      parts.filter((_part, i) => i % channels === channel),
      tailShare,
    ),
  );
}

export interface ChannelStatistic {
  /** The channels' p-values combined (larger = odder), shape [count]. */
  assess(parts: ArrayLike<number>, count: number): Float64Array;
  /** p-value of what one channel adds. */
  pValueOf(part: number, channel: number): number;
}

export function createChannelStatistic(state: ChannelState): ChannelStatistic {
  const channels = state.length;
  const toP = state.map(createSurvival);
  const pValueOf = (part: number, channel: number): number => toP[channel]!(part);
  const row = new Float64Array(channels);
  return {
    assess(parts, count) {
      const statistic = new Float64Array(count);
      for (let window = 0; window < count; window++) {
        for (let channel = 0; channel < channels; channel++)
          row[channel] = pValueOf(parts[window * channels + channel]!, channel);
        statistic[window] = logEvidence(row);
      }
      return statistic;
    },
    pValueOf,
  };
}
