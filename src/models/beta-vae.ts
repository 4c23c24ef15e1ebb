/**
 * β-VAE (Higgins 2017): the VAE with another price of the rate,
 *   E_q(z|x)[ −log p(x|z) ] + β·KL( q(z|x) ‖ p(z) ),  or  … + β·|KL − C|  (Burgess 2018).
 * β > 1 leaves fewer dimensions in use, and each with a meaning of its own; β < 1 reconstructs more sharply.
 */
import type { ModelFamily } from './model';
import { createRatePenalty } from './rate';
import { createVae } from './vae';

export const betaVae: ModelFamily = {
  create: (spec, random) => createVae(spec, random, createRatePenalty(spec)),
  options: ['latentDim', 'beta', 'betaSchedule', 'betaSteps', 'capacity', 'capacitySteps', 'freeBits'],
};
