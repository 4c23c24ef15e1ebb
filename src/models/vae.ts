/**
 * Variational autoencoder (Kingma & Welling 2014, eq. 7):
 *   −ELBO(x) = E_q(z|x)[ −log p(x|z) ] + KL( q(z|x) ‖ p(z) ),  p(z) = N(0, I)
 * With conditions both networks are given c, and the prior stays as it is; cvae learns that, too.
 */
import type { Random } from '../tensor';
import { createDecoder, createEncoder } from './coder';
import { createElbo } from './elbo';
import { gaussianFrom, standardNormal } from './gaussian';
import { createLikelihood } from './likelihood';
import type { Model, ModelFamily, ModelSpec } from './model';
import { plainRate, type RatePenalty } from './rate';

/** @param price what the rate costs: beta-vae has another one */
export function createVae(spec: ModelSpec, random: Random, price: RatePenalty = plainRate): Model {
  const { latentDim, conditionDim: givenDim } = spec;
  const encoder = createEncoder(spec, { name: 'encoder', givenDim, outputs: 2 * latentDim, random });
  const decoder = createDecoder(spec, { name: 'decoder', inputs: latentDim + givenDim, random });
  const likelihood = createLikelihood(spec, random);
  return createElbo({
    spec,
    decoder,
    likelihood,
    networks: [encoder, decoder, likelihood],
    levels: [
      {
        dim: latentDim,
        posterior: ({ x, c }) => gaussianFrom(encoder.apply(x, c)),
        prior: () => standardNormal(latentDim),
      },
    ],
    cost: ([rates], step) => price.cost(rates!, step),
    warmUpSteps: price.warmUpSteps,
  }).model;
}

export const vae: ModelFamily = { create: createVae, options: ['latentDim'] };
