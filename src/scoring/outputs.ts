/** What is read out of a model's assessment of a batch: all that calibration and a detection need, and no more. */
import type { Examples, Model } from '../models/model';
import { tf } from '../tensor';
import type { Contributions } from './contributions';

/** Everything by name. Statistics are larger for what is odder, in nats; each has shape [batch]. */
export type ScoringOutputs = Readonly<Record<string, tf.Tensor>>;

/** What a readout has beside the statistics of the model. */
export const outputNames = {
  /** What each channel adds to the reconstruction statistic. Shape [batch, channels]. */
  parts: 'parts',
  /** Mean of what is seen less what is expected, of each channel over the window, or of a region, scaled. Shape [batch, channels]. */
  errors: 'errors',
  /** Mean of p(x|z) for the newest record, or over a region of an image, scaled. Shape [batch, channels]. */
  typical: 'typical',
  /** What each single value adds, a pixel for instance. Shape [batch, dim]. */
  excess: 'excess',
  /** Mean of p(x|z) for each value, scaled. Shape [batch, dim]. */
  expected: 'expected',
} as const;

/** The statistics that a readout has. */
export function outputStatistics(model: Pick<Model, 'statistics'>, attribution: Contributions): string[] {
  return attribution.kind === 'window' ? [...model.statistics, 'newest'] : [...model.statistics];
}

/** The function that scores: this one is traced for other engines. */
export function createScoringOutputs(
  model: Model,
  attribution: Contributions,
): (examples: Examples) => ScoringOutputs {
  return (examples) => {
    const { statistics, deviance, expected } = model.assess(examples);
    const parts = attribution.sum(deviance);
    const perChannel = attribution.represent(deviance);
    return {
      ...statistics,
      // Not the model's own: no channel counts for being noisy, and of the earlier records the worst is left out.
      reconstruction: tf.sum(parts, 1),
      // What came before the newest record must not speak for it.
      ...(attribution.kind === 'window' && { newest: tf.sum(perChannel, 1) }),
      [outputNames.parts]: parts,
      [outputNames.errors]: attribution.meanError(examples, expected),
      [outputNames.typical]: attribution.represent(expected),
      [outputNames.excess]: deviance,
      [outputNames.expected]: expected,
    };
  };
}
