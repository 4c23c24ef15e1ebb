/**
 * Variational autoencoder (Kingma & Welling 2014, eq. 7):
 *   −ELBO(x) = E_q(z|x)[ −log p(x|z) ] + KL( q(z|x) ‖ p(z) ),  p(z) = N(0, I) With conditions both networks are given c. The prior does not depend on c, unlike that of cvae.
 */
import type { Random } from '../tensor';
import { createDecoder, createEncoder } from './coder';
import { createGaussianModel, type GaussianParts, type NegativeElbo } from './elbo';
import { gaussianFrom, klPerDimension, standardNormal } from './gaussian';
import { createLikelihood } from './likelihood';
import type { Model, ModelFamily, SpecWith } from './model';
import { sideBySide } from './network';
import { latentDim, latentDimRule } from './options';
import { meanRate } from './rate';

const options = { latentDim };

/** q(z|x), p(z) and p(x|z). */
export function createVaeParts(spec: SpecWith<typeof options>, random: Random): GaussianParts {
  const { latentDim, conditionDim: givenDim } = spec;
  const encoder = createEncoder(spec, { name: 'encoder', givenDim, outputs: 2 * latentDim, random });
  const decoder = createDecoder(spec, { name: 'decoder', inputs: latentDim + givenDim, random });
  const likelihood = createLikelihood(spec, random);
  return {
    spec,
    networks: [encoder, decoder, likelihood],
    likelihood,
    posterior: ({ x, c }) => gaussianFrom(encoder.apply(x, c)),
    prior: () => standardNormal(latentDim),
    decode: (z, c) => decoder.apply(sideBySide(z, c)!),
  };
}

export function createVae(spec: SpecWith<typeof options>, random: Random): Model {
  const parts = createVaeParts(spec, random);
  const { posterior, prior, decode, likelihood } = parts;

  const negativeElbo: NegativeElbo = (examples, sample) => {
    const q = posterior(examples); // [batch, latentDim]
    const p = prior(examples.c); // [1, latentDim]
    const z = sample(q); // [batch, latentDim]
    const distortion = likelihood.negativeLogLikelihood(examples, decode(z, examples.c)).sum(1).mean();
    const rate = meanRate(klPerDimension(q, p));
    return { loss: distortion.add(rate), distortion, rate };
  };

  return createGaussianModel(parts, negativeElbo);
}

export const vae: ModelFamily<typeof options> = { options, rules: [latentDimRule], create: createVae };
