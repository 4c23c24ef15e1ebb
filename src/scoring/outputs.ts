/** The scoring outputs: what calibration and detections need of a model's assessment, and no more. */
import type { Examples, Model } from '../models/model';
import type { tf } from '../tensor';
import type { ChannelMap } from './contributions';

/** By name. Statistics are larger for more anomalous windows, in nats; each has shape [batch]. */
export type ScoringOutputs = Readonly<Record<string, tf.Tensor>>;

/** The outputs in addition to the statistics. */
export const outputNames = {
  /** What each channel adds to the reconstruction statistic. Shape [batch, channels]. */
  contributions: 'contributions',
  /** Mean error of each channel over the window, or of a region, scaled. Shape [batch, channels]. */
  meanErrors: 'meanErrors',
  /** Mean of p(x|z) for the newest record, or over a region of an image, scaled. Shape [batch, channels]. */
  expectedOfChannels: 'expectedOfChannels',
  /** What each single value adds to the reconstruction statistic, e.g. a pixel. Shape [batch, dim]. */
  deviance: 'deviance',
  /** Mean of p(x|z) for each value, scaled. Shape [batch, dim]. */
  expected: 'expected',
  /** How odd each cell of features is, a logarithm; of models with `spec.oddness`. Shape [batch, cells]. */
  oddness: 'oddness',
} as const;

/** Names of the statistics among the outputs. */
export function outputStatistics(model: Pick<Model, 'statistics'>, channelMap: ChannelMap): string[] {
  return channelMap.kind === 'window' ? [...model.statistics, 'newest'] : [...model.statistics];
}

/** The function that scores. It is traced for other engines. */
export function createScoringOutputs(
  model: Model,
  channelMap: ChannelMap,
): (examples: Examples) => ScoringOutputs {
  return (examples) => {
    const { statistics, deviance, expected, oddness } = model.assess(examples);
    const contributions = channelMap.sum(deviance);
    const ofNewest = channelMap.represent(deviance);
    return {
      ...statistics,
      // Replaces the reconstruction of the model: here expected noise does not count, and the worst of the earlier records is left out.
      reconstruction: contributions.sum(1),
      // The newest record alone.
      ...(channelMap.kind === 'window' && { newest: ofNewest.sum(1) }),
      [outputNames.contributions]: contributions,
      [outputNames.meanErrors]: channelMap.meanError(examples, expected),
      [outputNames.expectedOfChannels]: channelMap.represent(expected),
      [outputNames.deviance]: deviance,
      [outputNames.expected]: expected,
      ...(oddness && { [outputNames.oddness]: oddness }),
    };
  };
}
