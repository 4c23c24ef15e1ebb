/**
 * Training by a negative ELBO, whose formula is in the model's file, and the common parts of models with one Gaussian code.
 */
import type { tf } from '../tensor';
import {
  deviance,
  drawGaussian,
  klPerDimension,
  leastNegativeLogDensity,
  reparametrise,
  type Gaussian,
} from './gaussian';
import { createLatentModel, type LatentParts, type PriorTerms } from './latent-model';
import type { Examples, Loss, Model, ModelSpec } from './model';
import type { Weights } from './network';

/** Takes z from q(z|x,c). Shape [batch, dim]. */
export type Sampler = (q: Gaussian) => tf.Tensor2D;

/** @param step steps taken before; undefined after the end of every schedule */
export type NegativeElbo = (examples: Examples, sample: Sampler, step: tf.Scalar | undefined) => Loss;

/** Training draws one z for each example; validation takes the posterior mean. */
export function trainByElbo(
  weights: Weights,
  negativeElbo: NegativeElbo,
): Pick<Model, 'phases' | 'validationLoss'> {
  return {
    phases: [
      {
        name: 'elbo',
        variables: [...weights.values()],
        loss: (examples, random, step) =>
          negativeElbo(examples, (q) => reparametrise(q, random.normalTensor(q.mean.shape)), step).loss,
      },
    ],
    validationLoss: (examples) => negativeElbo(examples, ({ mean }) => mean, undefined),
  };
}

/** Distributions of a model with one Gaussian code. */
export interface GaussianParts extends Pick<LatentParts, 'networks' | 'likelihood' | 'decode'> {
  spec: ModelSpec & { latentDim: number };
  /** q(z|x,c). Shape [batch, latentDim]. */
  posterior: (examples: Examples) => Gaussian;
  /** p(z|c). Shape [batch or 1, latentDim]. */
  prior: (c: tf.Tensor2D | undefined) => Gaussian;
}

/** A model with these distributions that is trained to minimise `negativeElbo`. */
export function createGaussianModel(
  parts: GaussianParts,
  negativeElbo: NegativeElbo,
  warmUpSteps = 0,
): Model {
  const { posterior, prior, spec } = parts;
  const model = createLatentModel({
    ...parts,
    latentDims: [spec.latentDim],
    // The posterior mean is used for z, so that the same record has the same score.
    encode: (examples) => posterior(examples).mean,
    priorTerms: (z, c) => gaussianTerms(z, prior(c)),
    drawCodes: (count, c, random, temperature) => drawGaussian(prior(c), count, random, temperature),
  });
  return {
    ...model,
    ...trainByElbo(model.weights, negativeElbo),
    warmUpSteps,
    activity: (examples) => [klPerDimension(posterior(examples), prior(examples.c)).mean(0)],
  };
}

/** −log p(z) of each dimension under p(z), and its excess over that of the likeliest z. */
export function gaussianTerms(z: tf.Tensor2D, p: Gaussian): PriorTerms {
  const priorDeviance = deviance(z, p);
  return { negativeLogPrior: priorDeviance.add(leastNegativeLogDensity(p)), priorDeviance };
}
