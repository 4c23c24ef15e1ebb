/**
 * β-VAE (Higgins 2017): the distributions of a VAE with another weight of the rate,
 *   E_q(z|x)[ −log p(x|z) ] + β·KL( q(z|x) ‖ p(z) ),  or  … + β·|KL − C|  (Burgess 2018). With β > 1 fewer dimensions are in use, each with its own meaning; with β < 1 the reconstruction is sharper.
 */
import type { Random } from '../tensor';
import { createGaussianModel, type NegativeElbo } from './elbo';
import { klPerDimension } from './gaussian';
import type { Model, ModelFamily, SpecWith } from './model';
import { latentDim, latentDimRule } from './options';
import { createRatePenalty, meanRate, ratePenaltyOptions } from './rate';
import { createVaeParts } from './vae';

const options = { latentDim, ...ratePenaltyOptions };

function createBetaVae(spec: SpecWith<typeof options>, random: Random): Model {
  const parts = createVaeParts(spec, random);
  const { posterior, prior, decode, likelihood } = parts;
  const ratePenalty = createRatePenalty(spec);

  const negativeElbo: NegativeElbo = (examples, sample, step) => {
    const q = posterior(examples); // [batch, latentDim]
    const p = prior(examples.c); // [1, latentDim]
    const z = sample(q); // [batch, latentDim]
    const distortion = likelihood.negativeLogLikelihood(examples, decode(z, examples.c)).sum(1).mean();
    const rates = klPerDimension(q, p); // [batch, latentDim]
    return { loss: distortion.add(ratePenalty.of(rates, step)), distortion, rate: meanRate(rates) };
  };

  return createGaussianModel(parts, negativeElbo, ratePenalty.warmUpSteps);
}

export const betaVae: ModelFamily<typeof options> = {
  options,
  rules: [
    latentDimRule,
    {
      keys: ['freeBits', 'capacity'],
      problem: ({ freeBits, capacity }) =>
        freeBits > 0 && capacity > 0
          ? 'cannot be set together with model.capacity: both keep the rate from falling'
          : undefined,
    },
  ],
  create: createBetaVae,
};
