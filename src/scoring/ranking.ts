/** The channels of a window, the most unusual first. */
import { surpriseOf } from '../calibration/threshold';
import type { Contribution } from '../domain/detection';
import type { WindowBatch } from '../domain/window';
import type { Assessor } from './assess';
import type { ChannelStatistic } from './channels';
import type { VersionState } from './version-state';

/**
 * @param contributions of the channels to the reconstruction statistic, in nats. Shape [channels]
 * @param expected scaled. Shape [channels]
 */
export type RankChannels = (
  batch: WindowBatch,
  window: number,
  contributions: ArrayLike<number>,
  expected: ArrayLike<number>,
) => Contribution[];

export function createRanking(
  { channels: names, calibration }: Pick<VersionState, 'channels' | 'calibration'>,
  { shape, scaler, stuck, channelMap }: Pick<Assessor, 'shape' | 'scaler' | 'stuck' | 'channelMap'>,
  channel: Pick<ChannelStatistic, 'pValueOf'>,
): RankChannels {
  const valuesPerWindow = shape.length * shape.channels;
  // Beyond the calibration scores a surprise is extrapolated and cannot rank two channels.
  const largestSeen = Math.log10(calibration.combined.scores.length + 1);
  const noRuns = names.map(() => ({ repeats: 0, nats: 0 }));

  return (batch, window, contributions, expected) => {
    const runs = stuck?.explain(batch, window) ?? noRuns;
    const values = batch.values.subarray(window * valuesPerWindow, (window + 1) * valuesPerWindow);
    const actual = channelMap.actual(values);
    const all = names.map((name, j) => ({
      channel: name,
      contribution: contributions[j]!,
      surprise: Math.max(surpriseOf(channel.pValueOf(contributions[j]!, j)), runs[j]!.nats / Math.LN10),
      actual: actual[j]!,
      expected: scaler.unscale(expected[j]!, j % scaler.channels),
      repeats: runs[j]!.repeats,
    }));
    const seen = (j: number): number => Math.min(all[j]!.surprise, largestSeen);
    const nats = (j: number): number => Math.max(contributions[j]!, runs[j]!.nats);
    return Array.from(all.keys())
      .sort((a, b) => seen(b) - seen(a) || nats(b) - nats(a))
      .map((j) => all[j]!);
  };
}
