/** Diagonal Gaussians for q, p and p(z|c) of every model. Sums run over dimensions, never over the batch. */
import { tf, type Random } from '../tensor';

/** N(mean, diag exp(logVar)). Both of shape [batch, dim]. */
export interface Gaussian {
  mean: tf.Tensor2D;
  logVar: tf.Tensor2D;
}

const log2Pi = Math.log(2 * Math.PI);

/** The code of a level, drawn from its posterior q, with its prior p. Each has shape [rows, dim]; that of p may be [1, dim]. */
export interface Inferred {
  q: Gaussian;
  p: Gaussian;
  z: tf.Tensor2D;
}

/** Bound of a log-variance: the latents are standardised, so none needs a larger or smaller variance. */
export const maxLogVar = 6;

/** Splits a network's output [batch, 2·dim] into a Gaussian, its log-variance kept within ±`maxLogVar` smoothly. */
export function gaussianFrom(output: tf.Tensor2D): Gaussian {
  const [mean, raw] = tf.split(output, 2, 1) as [tf.Tensor2D, tf.Tensor2D];
  return { mean, logVar: raw.div(maxLogVar).tanh().mul(maxLogVar) };
}

/** N(0, I), for every row of a batch. Shape [1, dim]. */
export function standardNormal(dim: number): Gaussian {
  return { mean: tf.zeros([1, dim]), logVar: tf.zeros([1, dim]) };
}

/** mean + σ·noise (Kingma & Welling 2014, §2.4). Shape [batch, dim]. */
export function reparametrise({ mean, logVar }: Gaussian, noise: tf.Tensor2D): tf.Tensor2D {
  return mean.add(logVar.mul(0.5).exp().mul(noise));
}

/** Draws from p, whose shape is [count or 1, dim], with σ scaled by the temperature. Shape [count, dim]. */
export function drawGaussian(p: Gaussian, count: number, random: Random, temperature: number): tf.Tensor2D {
  return reparametrise(p, random.normalTensor([count, p.mean.shape[1]]).mul(temperature));
}

/** KL( q ‖ p ) in nats, per dimension. Shape [batch, dim]. */
export function klPerDimension(q: Gaussian, p: Gaussian): tf.Tensor2D {
  const logRatio = q.logVar.sub(p.logVar);
  const squaredDistance = q.mean.sub(p.mean).square().mul(p.logVar.neg().exp());
  return logRatio.exp().add(squaredDistance).sub(logRatio.add(1)).mul(0.5);
}

/** KL( q ‖ p ) in nats. Shape [batch]. */
export function kl(q: Gaussian, p: Gaussian): tf.Tensor1D {
  return klPerDimension(q, p).sum(1);
}

/** −log N(x; mean, exp(logVar)) in nats, per dimension. Shape [batch, dim]. */
export function negativeLogDensity(x: tf.Tensor2D, p: Gaussian): tf.Tensor2D {
  return deviance(x, p).add(leastNegativeLogDensity(p));
}

/** The part of the negative log-density that depends on x: 0 at the mean. Shape [batch, dim]. */
export function deviance(x: tf.Tensor2D, { mean, logVar }: Gaussian): tf.Tensor2D {
  return x.sub(mean).square().mul(logVar.neg().exp()).mul(0.5);
}

/** The part of the negative log-density that does not depend on x: its value at the mean. Shape of `logVar`. */
export function leastNegativeLogDensity({ logVar }: Pick<Gaussian, 'logVar'>): tf.Tensor2D {
  return logVar.add(log2Pi).mul(0.5);
}
