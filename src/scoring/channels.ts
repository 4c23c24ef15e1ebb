/**
 * The statistic `channel`: each channel on its own scale. The sum over all channels varies as much as its noisiest channel:
 * where disk traffic comes in bursts, they hide a latency that has quadrupled. So each channel's contribution to the
 * reconstruction statistic is calibrated by itself, and the p-values of the channels are combined.
 */
import { logEvidence } from '../calibration/combine';
import { createSurvival, fitCalibration, type CalibrationState } from '../calibration/pvalue';

/** One calibration per channel. Stored in the model version. */
export type ChannelState = readonly CalibrationState[];

/** @param contributions to the reconstruction statistic in the calibration windows, shape [count, channels] */
export function fitChannels(contributions: Float64Array, channels: number, tailShare: number): ChannelState {
  return Array.from({ length: channels }, (_, channel) =>
    fitCalibration(
      contributions.filter((_, i) => i % channels === channel),
      tailShare,
    ),
  );
}

export interface ChannelStatistic {
  /** The channels' p-values combined (larger = more anomalous), shape [count]. */
  assess(contributions: ArrayLike<number>, count: number): Float64Array;
  /** p-value of the contribution of one channel. */
  pValueOf(contribution: number, channel: number): number;
}

export function createChannelStatistic(state: ChannelState): ChannelStatistic {
  const channels = state.length;
  const toP = state.map(createSurvival);
  const pValueOf = (contribution: number, channel: number): number => toP[channel]!(contribution);
  const row = new Float64Array(channels);
  return {
    assess(contributions, count) {
      const statistic = new Float64Array(count);
      for (let window = 0; window < count; window++) {
        for (let channel = 0; channel < channels; channel++)
          row[channel] = pValueOf(contributions[window * channels + channel]!, channel);
        statistic[window] = logEvidence(row);
      }
      return statistic;
    },
    pValueOf,
  };
}
