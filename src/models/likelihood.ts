/** p(x|z): how well a reconstruction explains the data, per dimension, missing values masked. */
import { tf, type Random } from '../tensor';
import { createMlp, type Weights } from './network';
import { negativeLogDensity } from './gaussian';

export interface Likelihood {
  readonly weights: Weights;
  /**
   * −log p(x|z) in nats, 0 where the mask is 0. Shape [batch, dim].
   * @param mean the decoder's output, shape [batch, dim]
   * @param mask 1 = seen, 0 = missing, shape [batch, dim]
   */
  negativeLogLikelihood(
    x: tf.Tensor2D,
    mean: tf.Tensor2D,
    mask: tf.Tensor2D,
    c: tf.Tensor2D | undefined,
  ): tf.Tensor2D;
}

export interface GaussianLikelihoodSpec {
  channels: number;
  /** Records per window: one variance serves a channel at every position. */
  length: number;
  /** Width of the condition, 0 = none. */
  conditionDim: number;
  /** Bounds of the variance in scaled units: without the lower one a channel that is fitted perfectly takes it all. */
  minVariance: number;
  maxVariance: number;
  random: Random;
}

/** N(x; mean, diag σ²) with a learned σ² per channel, given the condition: noise may differ between modes. */
export function createGaussianLikelihood(spec: GaussianLikelihoodSpec): Likelihood {
  const { channels, length, conditionDim, random } = spec;
  const low = Math.log(spec.minVariance);
  const high = Math.log(spec.maxVariance);
  const variance = createMlp({
    name: 'likelihood/variance',
    sizes: [Math.max(1, conditionDim), channels],
    random,
  });

  /** log σ², within its bounds by a sigmoid. Shape [batch or 1, 1, channels]. */
  function logVariance(c: tf.Tensor2D | undefined): tf.Tensor3D {
    const raw = variance.apply(c ?? tf.ones([1, 1]));
    const perChannel: tf.Tensor2D = tf.add(tf.mul(tf.sigmoid(raw), high - low), low);
    return tf.expandDims(perChannel, 1);
  }

  /** Shape [batch, length, channels]: broadcasting is cheaper than a tiled variance, above all backwards. */
  const perRecord = (x: tf.Tensor2D): tf.Tensor3D => tf.reshape(x, [-1, length, channels]);

  return {
    weights: variance.weights,
    negativeLogLikelihood(x, mean, mask, c) {
      const density = negativeLogDensity(perRecord(x), { mean: perRecord(mean), logVar: logVariance(c) });
      return tf.mul(tf.reshape(density, [-1, length * channels]), mask);
    },
  };
}
