/** Diagonal Gaussians: the q, p and p(z|c) of every model. Sums run over dimensions, never over the batch. */
import { tf } from '../tensor';

/** N(mean, diag exp(logVar)). Both of shape [batch, dim]. */
export interface Gaussian {
  mean: tf.Tensor2D;
  logVar: tf.Tensor2D;
}

const log2Pi = Math.log(2 * Math.PI);

/** exp of more than this is no variance that a standardised latent has. */
const maxLogVar = 6;

/** Splits a network's output [batch, 2·dim] into a Gaussian, its log-variance kept within ±`maxLogVar` smoothly. */
export function gaussianFrom(output: tf.Tensor2D): Gaussian {
  const [mean, raw] = tf.split(output, 2, 1) as [tf.Tensor2D, tf.Tensor2D];
  return { mean, logVar: tf.mul(tf.tanh(tf.div(raw, maxLogVar)), maxLogVar) };
}

/** N(0, I), for every row of a batch. Shape [1, dim]. */
export function standardNormal(dim: number): Gaussian {
  return { mean: tf.zeros([1, dim]), logVar: tf.zeros([1, dim]) };
}

/** A draw by reparametrisation, mean + σ·noise (Kingma & Welling 2014, §2.4). Shape [batch, dim]. */
export function sample(q: Gaussian, noise: tf.Tensor2D): tf.Tensor2D {
  return tf.add(q.mean, tf.mul(tf.exp(tf.mul(q.logVar, 0.5)), noise));
}

/** KL( q ‖ p ) in nats, per dimension. Shape [batch, dim]. */
export function klPerDimension(q: Gaussian, p: Gaussian): tf.Tensor2D {
  const logRatio = tf.sub(q.logVar, p.logVar);
  const squaredShift = tf.mul(tf.square(tf.sub(q.mean, p.mean)), tf.exp(tf.neg(p.logVar)));
  return tf.mul(tf.sub(tf.add(tf.exp(logRatio), squaredShift), tf.add(logRatio, 1)), 0.5);
}

/** KL( q ‖ p ) in nats. Shape [batch]. */
export function kl(q: Gaussian, p: Gaussian): tf.Tensor1D {
  return tf.sum(klPerDimension(q, p), 1);
}

/** −log N(x; mean, exp(logVar)) in nats, per dimension. The shape of x, to which the others broadcast. */
export function negativeLogDensity<T extends tf.Tensor>(x: T, p: { mean: tf.Tensor; logVar: tf.Tensor }): T {
  return tf.add(aboveLeast(x, p), leastNegativeLogDensity(p));
}

/** The part of it that depends on x, 0 at the mean. */
export function aboveLeast<T extends tf.Tensor>(x: T, p: { mean: tf.Tensor; logVar: tf.Tensor }): T {
  return tf.mul(tf.mul(tf.square(tf.sub(x, p.mean)), tf.exp(tf.neg(p.logVar))), 0.5);
}

/** And that which does not. The shape of the variance. */
export function leastNegativeLogDensity<T extends tf.Tensor>({ logVar }: { logVar: T }): T {
  return tf.mul(tf.add(logVar, log2Pi), 0.5);
}
