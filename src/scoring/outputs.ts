/** The scoring outputs: those parts of a model's assessment that calibration and detections need. */
import type { Examples, Model } from '../models/model';
import type { tf } from '../tensor';
import type { ChannelMap } from './contributions';

/** Outputs by name. Statistics are larger for more anomalous windows, in nats, and have shape [batch]. */
export type ScoringOutputs = Readonly<Record<string, tf.Tensor>>;

/** Names of the outputs besides the statistics. */
export const outputNames = {
  /** Contribution of each channel to the statistic `reconstruction`. Shape [batch, channels]. */
  contributions: 'contributions',
  /** Mean error of each channel over the window, or of a region, scaled. Shape [batch, channels]. */
  meanErrors: 'meanErrors',
  /** Mean of p(x|z) for the newest record, or over a region of an image, scaled. Shape [batch, channels]. */
  expectedOfChannels: 'expectedOfChannels',
  /** Contribution of each single value, such as a pixel, to the statistic `reconstruction`. Shape [batch, dim]. */
  deviance: 'deviance',
  /** Mean of p(x|z) for each value, scaled. Shape [batch, dim]. */
  expected: 'expected',
  /** Logarithm of how anomalous each cell of features is, for models with `spec.oddness`. Shape [batch, cells]. */
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
      // Replaces the model's own reconstruction: expected noise does not count here, and the worst of the earlier records is
      // left out.
      reconstruction: contributions.sum(1),
      // The contributions of the newest record alone.
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
