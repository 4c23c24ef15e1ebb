/**
 * Conditional VAE (Sohn, Lee & Yan 2015, eq. 3–4) with a learned prior:
 *   −ELBO(x|c) = E_q(z|x,c)[ −log p(x|z,c) ] + KL( q(z|x,c) ‖ p(z|c) )
 */
import { tf, type Random } from '../tensor';
import { createDecoder, createEncoder } from './coder';
import { createElbo } from './elbo';
import { gaussianFrom } from './gaussian';
import { createLikelihood } from './likelihood';
import type { Model, ModelFamily, ModelSpec } from './model';
import { createMlp } from './network';
import { rateAboveFreeBits } from './rate';

export function createCvae(spec: ModelSpec, random: Random): Model {
  const { latentDim, conditionDim: givenDim, freeBits } = spec;
  // One network per symbol: q(z|x,c), p(z|c), and the mean of p(x|z,c).
  const encoder = createEncoder(spec, { name: 'encoder', givenDim, outputs: 2 * latentDim, random });
  const prior = createMlp({ name: 'prior', sizes: [Math.max(1, givenDim), 2 * latentDim], random });
  const decoder = createDecoder(spec, { name: 'decoder', inputs: latentDim + givenDim, random });
  const likelihood = createLikelihood(spec, random);
  return createElbo({
    spec,
    decoder,
    likelihood,
    networks: [encoder, prior, decoder, likelihood],
    levels: [
      {
        dim: latentDim,
        posterior: ({ x, c }) => gaussianFrom(encoder.apply(x, c)),
        prior: (_, c) => gaussianFrom(prior.apply(c ?? tf.ones([1, 1]))),
      },
    ],
    cost: ([rates]) => rateAboveFreeBits(rates!, freeBits),
  }).model;
}

export const cvae: ModelFamily = { create: createCvae, options: ['latentDim', 'freeBits'] };
