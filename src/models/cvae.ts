/**
 * Conditional VAE (Sohn, Lee & Yan 2015, eq. 3–4) with a learned prior:
 *   −ELBO(x|c) = E_q(z|x,c)[ −log p(x|z,c) ] + KL( q(z|x,c) ‖ p(z|c) )
 */
import { tf, type Random } from '../tensor';
import { createDecoder, createEncoder } from './coder';
import { gaussianFrom, klPerDimension, negativeLogDensity, sample, type Gaussian } from './gaussian';
import { createLikelihood } from './likelihood';
import type { Examples, Loss, Model, ModelFamily, ModelSpec } from './model';
import { createMlp, sideBySide } from './network';
import { meanRate, rateAboveFreeBits } from './rate';

export function createCvae(spec: ModelSpec, random: Random): Model {
  const { latentDim, conditionDim: givenDim, freeBits } = spec;
  // One network per symbol: q(z|x,c), p(z|c), and the mean of p(x|z,c).
  const encoder = createEncoder(spec, { name: 'encoder', givenDim, outputs: 2 * latentDim, random });
  const priorNetwork = createMlp({
    name: 'prior',
    sizes: [Math.max(1, givenDim), 2 * latentDim],
    random,
  });
  const decoder = createDecoder(spec, { name: 'decoder', inputs: latentDim + givenDim, random });
  const likelihood = createLikelihood(spec, random);

  const posterior = ({ x, c }: Examples): Gaussian => gaussianFrom(encoder.apply(x, c));
  const prior = (c: tf.Tensor2D | undefined): Gaussian =>
    gaussianFrom(priorNetwork.apply(c ?? tf.ones([1, 1])));
  const decode = (z: tf.Tensor2D, c: tf.Tensor2D | undefined): tf.Tensor2D =>
    decoder.apply(sideBySide(z, c)!);

  function negativeElbo(examples: Examples, draw: (q: Gaussian) => tf.Tensor2D): Loss {
    const { c } = examples;
    const q = posterior(examples);
    const z = draw(q); // [batch, latentDim]
    const distortion: tf.Scalar = tf.mean(
      tf.sum(likelihood.negativeLogLikelihood(examples, decode(z, c)), 1),
    );
    const rates = klPerDimension(q, prior(c)); // [batch, latentDim]
    return {
      loss: tf.add<tf.Scalar>(distortion, rateAboveFreeBits(rates, freeBits)),
      distortion,
      rate: meanRate(rates),
    };
  }

  const weights = new Map([
    ...encoder.weights,
    ...priorNetwork.weights,
    ...decoder.weights,
    ...likelihood.weights,
  ]);

  return {
    spec,
    weights,
    statistics: ['reconstruction', 'latent'],
    latentDims: [latentDim],
    warmUpSteps: 0,
    phases: [
      {
        name: 'elbo',
        variables: [...weights.values()],
        loss: (examples, noise) =>
          negativeElbo(examples, (q) => sample(q, noise.normalTensor(q.mean.shape))).loss,
      },
    ],
    validationLoss: (examples) => negativeElbo(examples, (q) => q.mean),
    assess(examples) {
      const { c } = examples;
      const z = posterior(examples).mean; // the posterior mean: the same record has the same score
      const output = decode(z, c);
      const distortion = likelihood.negativeLogLikelihood(examples, output);
      const latent = tf.sum<tf.Tensor1D>(negativeLogDensity(z, prior(c)), 1);
      return {
        statistics: { reconstruction: tf.sum<tf.Tensor1D>(distortion, 1), latent },
        distortion,
        excess: likelihood.excess(examples, output),
        expected: likelihood.mean(output),
      };
    },
    activity: (examples) => [tf.mean(klPerDimension(posterior(examples), prior(examples.c)), 0)],
    encode: (examples) => posterior(examples).mean,
    generate(count, c, noise, temperature) {
      const z = sample(prior(c), tf.mul(noise.normalTensor([count, latentDim]), temperature));
      return likelihood.mean(decode(z, c));
    },
  };
}

export const cvae: ModelFamily = { create: createCvae, options: ['latentDim', 'freeBits'] };
