/**
 * Conditional VAE (Sohn, Lee & Yan 2015, eq. 3–4) with a learned prior:
 *   −ELBO(x|c) = E_q(z|x,c)[ −log p(x|z,c) ] + KL( q(z|x,c) ‖ p(z|c) )
 */
import { tf, type Random } from '../tensor';
import { gaussianFrom, kl, klPerDimension, negativeLogDensity, sample, type Gaussian } from './gaussian';
import { createGaussianLikelihood } from './likelihood';
import { inputDim, type Examples, type Loss, type Model, type ModelSpec } from './model';
import { createMlp, given } from './network';

export function createCvae(spec: ModelSpec, random: Random): Model {
  const { latentDim, conditionDim, hidden } = spec;
  const dim = inputDim(spec);

  // One network per symbol: q(z|x,c), p(z|c), and the mean and variance of p(x|z,c).
  const encoder = createMlp({
    name: 'encoder',
    sizes: [dim + conditionDim, ...hidden, 2 * latentDim],
    random,
  });
  const priorNetwork = createMlp({
    name: 'prior',
    sizes: [Math.max(1, conditionDim), 2 * latentDim],
    random,
  });
  const decoder = createMlp({
    name: 'decoder',
    sizes: [latentDim + conditionDim, ...[...hidden].reverse(), dim],
    random,
  });
  const likelihood = createGaussianLikelihood({ ...spec, random });

  const posterior = ({ x, c }: Examples): Gaussian => gaussianFrom(encoder.apply(given(x, c)));
  const prior = (c: tf.Tensor2D | undefined): Gaussian =>
    gaussianFrom(priorNetwork.apply(c ?? tf.ones([1, 1])));
  const decode = (z: tf.Tensor2D, c: tf.Tensor2D | undefined): tf.Tensor2D => decoder.apply(given(z, c));

  function negativeElbo(examples: Examples, draw: (q: Gaussian) => tf.Tensor2D): Loss {
    const { x, mask, c } = examples;
    const q = posterior(examples);
    const z = draw(q); // [batch, latentDim]
    const distortion = tf.sum(likelihood.negativeLogLikelihood(x, decode(z, c), mask, c), 1); // [batch]
    const rate = kl(q, prior(c)); // [batch]
    return { loss: tf.mean(tf.add(distortion, rate)), distortion: tf.mean(distortion), rate: tf.mean(rate) };
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
    phases: [
      {
        name: 'elbo',
        variables: [...weights.values()],
        loss: (examples, noise) => negativeElbo(examples, (q) => sample(q, noise.normalTensor(q.mean.shape))),
      },
    ],
    validationLoss: (examples) => negativeElbo(examples, (q) => q.mean),
    assess(examples) {
      const { x, mask, c } = examples;
      const z = posterior(examples).mean; // the posterior mean: the same record has the same score
      const expected = decode(z, c);
      const distortion = likelihood.negativeLogLikelihood(x, expected, mask, c);
      const latent = tf.sum<tf.Tensor1D>(negativeLogDensity(z, prior(c)), 1);
      return {
        statistics: { reconstruction: tf.sum<tf.Tensor1D>(distortion, 1), latent },
        distortion,
        expected,
      };
    },
    ratePerDimension: (examples) => tf.mean(klPerDimension(posterior(examples), prior(examples.c)), 0),
  };
}
