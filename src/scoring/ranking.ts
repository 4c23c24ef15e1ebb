/** Ranks the channels of a window, the most unusual first. */
import { createRunLengths } from '../calibration/run-lengths';
import { largestSurprise } from '../calibration/threshold';
import type { Contribution } from '../domain/detection';
import type { Values } from '../domain/record';
import type { WindowBatch } from '../domain/window';
import type { Assessor } from './assessor';
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
  { channels: names, calibration, runs }: Pick<VersionState, 'channels' | 'calibration' | 'runs'>,
  { shape, scaler, channelMap }: Pick<Assessor, 'shape' | 'scaler' | 'channelMap'>,
  channel: Pick<ChannelStatistic, 'surpriseOf'>,
): RankChannels {
  const valuesPerWindow = shape.length * shape.channels;
  // Beyond the calibration scores, a surprise is extrapolated and cannot be used to rank channels.
  const largestSeen = Math.log10(calibration.tail.scores.length + 1);
  const lengths = runs && createRunLengths(runs);

  /** The runs of equal values at the end of a window, at most as long as the window. */
  function runsOf(values: Values): { repeats: number; surprise: number }[] {
    if (lengths === undefined) return [];
    const cells = new Float64Array(lengths.size);
    lengths.begin(cells, '');
    for (let at = 0; at < values.length; at += shape.channels) lengths.step(cells, values, at);
    return names.map((_, j) => lengths.ofChannel(cells, j));
  }

  return (batch, window, contributions, expected) => {
    const values = batch.values.subarray(window * valuesPerWindow, (window + 1) * valuesPerWindow);
    const actual = new Float64Array(names.length);
    channelMap.writeActual(batch.values, window * valuesPerWindow, actual, 0);
    const ofRun = runsOf(values);
    const shifts = batch.recalled.shifts.subarray(window * shape.channels, (window + 1) * shape.channels);
    const all = names.map((name, j) => ({
      channel: name,
      contribution: contributions[j]!,
      surprise: Math.min(
        largestSurprise,
        Math.max(channel.surpriseOf(contributions[j]!, j), ofRun[j]?.surprise ?? 0),
      ),
      actual: actual[j]!,
      expected: scaler.unscale(expected[j]! + (shifts[j] ?? 0), j % scaler.channels),
      repeats: ofRun[j]?.repeats ?? 0,
    }));
    const seen = (j: number): number => Math.min(all[j]!.surprise, largestSeen);
    const nats = (j: number): number => Math.max(contributions[j]!, Math.LN10 * (ofRun[j]?.surprise ?? 0));
    return Array.from(all.keys())
      .sort((a, b) => seen(b) - seen(a) || nats(b) - nats(a))
      .map((j) => all[j]!);
  };
}
