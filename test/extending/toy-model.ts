/**
 * A toy model in one file: a VAE whose rate costs more than linearly,
 *   E_q(z|x)[ −log p(x|z) ] + rate + w·rate²
 */
import { createGaussianModel } from '../../src/models/elbo';
import { klPerDimension } from '../../src/models/gaussian';
import type { ModelFamily } from '../../src/models/model';
import { latentDim, latentDimRule } from '../../src/models/options';
import { meanRate } from '../../src/models/rate';
import { createVaeParts } from '../../src/models/vae';
import { amount } from '../../src/schema/formats';

const options = {
  latentDim,
  squareWeight: amount({ doc: 'Weight of the squared rate.', default: 0.1 }),
};

export const toyModel: ModelFamily<typeof options> = {
  options,
  rules: [
    latentDimRule,
    {
      keys: ['squareWeight'],
      problem: ({ squareWeight }) => (squareWeight > 100 ? 'must not be above 100' : undefined),
    },
  ],
  create(spec, random) {
    const parts = createVaeParts(spec, random);
    const { posterior, prior, decode, likelihood } = parts;
    return createGaussianModel(parts, (examples, sample) => {
      const q = posterior(examples);
      const output = decode(sample(q), examples.c);
      const distortion = likelihood.negativeLogLikelihood(examples, output).sum(1).mean();
      const rate = meanRate(klPerDimension(q, prior(examples.c)));
      return { loss: distortion.add(rate).add(rate.square().mul(spec.squareWeight)), distortion, rate };
    });
  },
};
