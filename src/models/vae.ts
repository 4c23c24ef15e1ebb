/**
 * Variational autoencoder (Kingma & Welling 2014, eq. 7):
 *   −ELBO(x) = E_q(z|x)[ −log p(x|z) ] + KL( q(z|x) ‖ p(z) ),  p(z) = N(0, I)
 * With conditions both networks are given c, and the prior stays as it is; cvae learns that, too.
 */
import { tf, type Random } from '../tensor';
import { createDecoder, createEncoder } from './coder';
import {
  gaussianFrom,
  klPerDimension,
  negativeLogDensity,
  sample,
  standardNormal,
  type Gaussian,
} from './gaussian';
import { createLikelihood } from './likelihood';
import type { Examples, Loss, Model, ModelFamily, ModelSpec } from './model';
import { sideBySide } from './network';
import { meanRate, plainRate, type RatePrice } from './rate';

/** @param price what the rate costs: beta-vae has another one */
export function createVae(spec: ModelSpec, random: Random, price: RatePrice = plainRate): Model {
  const { latentDim, conditionDim: givenDim } = spec;
  const encoder = createEncoder(spec, { name: 'encoder', givenDim, outputs: 2 * latentDim, random });
  const decoder = createDecoder(spec, { name: 'decoder', inputs: latentDim + givenDim, random });
  const likelihood = createLikelihood(spec, random);

  const posterior = ({ x, c }: Examples): Gaussian => gaussianFrom(encoder.apply(x, c));
  const prior = (): Gaussian => standardNormal(latentDim);
  const decode = (z: tf.Tensor2D, c: tf.Tensor2D | undefined): tf.Tensor2D =>
    decoder.apply(sideBySide(z, c)!);

  function negativeElbo(examples: Examples, draw: (q: Gaussian) => tf.Tensor2D, step: number): Loss {
    const q = posterior(examples);
    const z = draw(q); // [batch, latentDim]
    const distortion: tf.Scalar = tf.mean(
      tf.sum(likelihood.negativeLogLikelihood(examples, decode(z, examples.c)), 1),
    );
    const rates = klPerDimension(q, prior()); // [batch, latentDim]
    return {
      loss: tf.add<tf.Scalar>(distortion, price.cost(rates, step)),
      distortion,
      rate: meanRate(rates),
    };
  }

  const weights = new Map([...encoder.weights, ...decoder.weights, ...likelihood.weights]);

  return {
    spec,
    weights,
    statistics: ['reconstruction', 'latent'],
    latentDims: [latentDim],
    warmUpSteps: price.warmUpSteps,
    phases: [
      {
        name: 'elbo',
        variables: [...weights.values()],
        loss: (examples, noise, step) =>
          negativeElbo(examples, (q) => sample(q, noise.normalTensor(q.mean.shape)), step).loss,
      },
    ],
    validationLoss: (examples) => negativeElbo(examples, (q) => q.mean, Infinity),
    assess(examples) {
      const z = posterior(examples).mean; // the posterior mean: the same record has the same score
      const output = decode(z, examples.c);
      const distortion = likelihood.negativeLogLikelihood(examples, output);
      const latent = tf.sum<tf.Tensor1D>(negativeLogDensity(z, prior()), 1);
      return {
        statistics: { reconstruction: tf.sum<tf.Tensor1D>(distortion, 1), latent },
        distortion,
        excess: likelihood.excess(examples, output),
        expected: likelihood.mean(output),
      };
    },
    activity: (examples) => [tf.mean(klPerDimension(posterior(examples), prior()), 0)],
    encode: (examples) => posterior(examples).mean,
    generate(count, c, noise, temperature) {
      const z = sample(prior(), tf.mul(noise.normalTensor([count, latentDim]), temperature));
      return likelihood.mean(decode(z, c));
    },
  };
}

export const vae: ModelFamily = { create: createVae, options: ['latentDim'] };
