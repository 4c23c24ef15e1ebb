/**
 * Conditional VAE (Sohn, Lee & Yan 2015, eq. 3–4) with a learned prior:
 *   −ELBO(x|c) = E_q(z|x,c)[ −log p(x|z,c) ] + KL( q(z|x,c) ‖ p(z|c) )
 */
import { tf, type Random } from '../tensor';
import { createDecoder, createEncoder } from './coder';
import { createGaussianModel, type GaussianParts, type NegativeElbo } from './elbo';
import { gaussianFrom, klPerDimension } from './gaussian';
import { createLikelihood } from './likelihood';
import type { Model, ModelFamily, SpecWith } from './model';
import { createMlp, sideBySide } from './network';
import { freeBits, latentDim, latentDimRule } from './options';
import { meanRate, rateAboveFreeBits } from './rate';

const options = { latentDim, freeBits };

export function createCvae(spec: SpecWith<typeof options>, random: Random): Model {
  const { latentDim, conditionDim: givenDim, freeBits } = spec;
  // One network per symbol: q(z|x,c), p(z|c), and the mean of p(x|z,c).
  const encoder = createEncoder(spec, { name: 'encoder', givenDim, outputs: 2 * latentDim, random });
  const priorNetwork = createMlp({ name: 'prior', sizes: [Math.max(1, givenDim), 2 * latentDim], random });
  const decoder = createDecoder(spec, { name: 'decoder', inputs: latentDim + givenDim, random });
  const likelihood = createLikelihood(spec, random);
  const parts: GaussianParts = {
    spec,
    networks: [encoder, priorNetwork, decoder, likelihood],
    likelihood,
    posterior: ({ x, c }) => gaussianFrom(encoder.apply(x, c)),
    prior: (c) => gaussianFrom(priorNetwork.apply(c ?? tf.ones([1, 1]))),
    decode: (z, c) => decoder.apply(sideBySide(z, c)!),
  };
  const { posterior, prior, decode } = parts;

  const negativeElbo: NegativeElbo = (examples, sample) => {
    const q = posterior(examples); // [batch, latentDim]
    const p = prior(examples.c); // [batch or 1, latentDim]
    const z = sample(q); // [batch, latentDim]
    const distortion = likelihood.negativeLogLikelihood(examples, decode(z, examples.c)).sum(1).mean();
    const rates = klPerDimension(q, p); // [batch, latentDim]
    const loss = distortion.add(rateAboveFreeBits(rates, freeBits));
    return { loss, distortion, rate: meanRate(rates) };
  };

  return createGaussianModel(parts, negativeElbo);
}

export const cvae: ModelFamily<typeof options> = { options, rules: [latentDimRule], create: createCvae };
