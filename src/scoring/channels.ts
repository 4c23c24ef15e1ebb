/**
 * The statistic `channel`: each channel on its own scale. The sum over all channels varies as much as its noisiest channel:
 * bursts of disk traffic, for example, hide a latency that has quadrupled. So each channel's contribution to the reconstruction
 * statistic is calibrated separately, and the p-values of the channels are combined.
 */
import { logEvidence } from '../calibration/combine';
import { largestSurprise } from '../calibration/threshold';
import { createSurprise, fitTail, type TailState } from '../calibration/tail';

/** One calibration per channel. Stored in the model version. */
export type ChannelState = readonly TailState[];

/** @param contributions to the reconstruction statistic in the calibration windows, shape [count, channels] */
export function fitChannels(contributions: Float64Array, channels: number): ChannelState {
  return Array.from({ length: channels }, (_, channel) =>
    fitTail(
      Float64Array.from(
        { length: contributions.length / channels },
        (_, record) => contributions[record * channels + channel]!,
      ),
    ),
  );
}

export interface ChannelStatistic {
  /** Combines the p-values of the channels (larger = more anomalous), shape [count]. */
  assess(contributions: ArrayLike<number>, count: number): Float64Array;
  /** −log10 of the p-value of the contribution of one channel. */
  surpriseOf(contribution: number, channel: number): number;
}

export function createChannelStatistic(state: ChannelState): ChannelStatistic {
  const channels = state.length;
  const scales = state.map(createSurprise);
  const surpriseOf = (contribution: number, channel: number): number => scales[channel]!(contribution);
  const row = new Float64Array(channels);
  return {
    assess(contributions, count) {
      const statistic = new Float64Array(count);
      for (let window = 0; window < count; window++) {
        for (let channel = 0; channel < channels; channel++)
          row[channel] =
            10 **
            -Math.min(largestSurprise, surpriseOf(contributions[window * channels + channel]!, channel));
        statistic[window] = logEvidence(row);
      }
      return statistic;
    },
    surpriseOf,
  };
}
