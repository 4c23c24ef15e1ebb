/**
 * The common parts of all models, however they are trained: an encoder computes a code z from x, p(z|c) rates the code, and
 * p(x|z,c) explains x by it. Scores, codes and generated examples follow from these. c is absent without conditions.
 */
import type { tf } from '../tensor';
import { type Random } from '../tensor';
import type { Likelihood } from './likelihood';
import type { Assessment, Examples, Model, ModelSpec, NegativeLogJoint } from './model';
import type { Network } from './network';

/** −log p(z|c) of each latent dimension. Shapes [batch, sum of latentDims]. */
export type PriorTerms = Pick<NegativeLogJoint, 'negativeLogPrior' | 'priorDeviance'>;

export interface LatentParts {
  spec: ModelSpec;
  /** All networks with weights, in the order in which they are stored. */
  networks: readonly Pick<Network, 'weights'>[];
  /** Dimensions of each level, the uppermost first. */
  latentDims: readonly number[];
  likelihood: Likelihood;
  /** The code that examples are scored with. Shape [batch, sum of latentDims]. */
  encode: (examples: Examples) => tf.Tensor2D;
  /** The decoder's output. Shape [batch, dim]. */
  decode: (z: tf.Tensor2D, c: tf.Tensor2D | undefined) => tf.Tensor2D;
  priorTerms: (z: tf.Tensor2D, c: tf.Tensor2D | undefined) => PriorTerms;
  /** Codes drawn from p(z|c). Shape [count, sum of latentDims]. */
  drawCodes: (count: number, c: tf.Tensor2D | undefined, random: Random, temperature: number) => tf.Tensor2D;
}

/** A model without its training. */
export type LatentModel = Omit<Model, 'phases' | 'validationLoss' | 'warmUpSteps' | 'activity'>;

export function createLatentModel(parts: LatentParts): LatentModel {
  const { spec, networks, latentDims, likelihood, encode, decode, priorTerms, drawCodes } = parts;

  function negativeLogJoint(z: tf.Tensor2D, examples: Examples): NegativeLogJoint {
    const output = decode(z, examples.c);
    return {
      ...priorTerms(z, examples.c),
      distortion: likelihood.negativeLogLikelihood(examples, output),
      deviance: likelihood.deviance(examples, output),
      expected: likelihood.mean(output),
    };
  }

  return {
    spec,
    weights: new Map(networks.flatMap(({ weights }) => [...weights])),
    statistics: ['reconstruction', 'latent'],
    latentDims,
    encode,
    negativeLogJoint,
    assess: (examples) => assessmentOf(negativeLogJoint(encode(examples), examples)),
    generate: (count, c, random, temperature) =>
      likelihood.mean(decode(drawCodes(count, c, random, temperature), c)),
  };
}

/** The statistics that every model has. */
export function assessmentOf({
  distortion,
  deviance,
  negativeLogPrior,
  expected,
}: NegativeLogJoint): Assessment {
  return {
    statistics: { reconstruction: distortion.sum(1), latent: negativeLogPrior.sum(1) },
    distortion,
    deviance,
    expected,
  };
}
