/** p(x|z): how well a reconstruction explains the data, per dimension, missing values masked. */
import { matMul, tf, type Random } from '../tensor';
import { leastNegativeLogDensity } from './gaussian';
import type { Examples, ModelSpec } from './model';
import { createMlp, type Weights } from './network';

export interface Likelihood {
  readonly weights: Weights;
  /**
   * −log p(x|z) in nats, 0 where the mask is 0. Shape [batch, dim].
   * @param output of the decoder, shape [batch, dim]
   */
  negativeLogLikelihood(examples: Examples, output: tf.Tensor2D): tf.Tensor2D;
  /**
   * What −log p(x|z) has beyond that of a perfect reconstruction, in nats: ≥ 0, and 0 where the mask is 0. Half the
   * deviance of statistics: a channel that is known to be noisy is not odd for that. Shape [batch, dim].
   */
  deviance(examples: Examples, output: tf.Tensor2D): tf.Tensor2D;
  /** The mean of p(x|z). Shape [batch, dim]. */
  mean(output: tf.Tensor2D): tf.Tensor2D;
}

/** The likelihood that the spec names. */
export function createLikelihood(spec: ModelSpec, random: Random): Likelihood {
  switch (spec.likelihood) {
    case 'gaussian':
      return withLearnedVariance(spec, random, gaussian);
    case 'student-t':
      return withLearnedVariance(spec, random, studentT(spec.degreesOfFreedom));
    case 'bernoulli':
      return bernoulli;
    case 'discretised-logistic':
      return {
        ...withLearnedVariance(spec, random, discretisedLogistic),
        mean: (output) => tf.clipByValue(output, 0, 1),
      };
  }
}

/** What follows from log σ² of each channel, [batch or 1, channels], for each value: [batch or 1, dim]. */
type OfEach = (follows: (logVar: tf.Tensor2D) => tf.Tensor2D) => tf.Tensor2D;

/** Value by value; x and output have shape [batch, dim]. */
type Term = (x: tf.Tensor2D, output: tf.Tensor2D, ofEach: OfEach) => tf.Tensor2D;

interface Density {
  /** −log p. */
  negativeLog: Term;
  /** What it has beyond that of x itself as the output, ≥ 0. */
  deviance: Term;
}

/**
 * A density with a learned σ² per channel, one for all positions, given the condition: noise may differ between modes.
 * A sigmoid keeps log σ² within bounds: without the lower one a channel that is fitted perfectly takes the whole loss.
 */
function withLearnedVariance(spec: ModelSpec, random: Random, density: Density): Likelihood {
  const { channels, length, conditionDim } = spec;
  const low = Math.log(spec.minVariance);
  const high = Math.log(spec.maxVariance);
  const network = createMlp({
    name: 'likelihood/variance',
    sizes: [Math.max(1, conditionDim), channels],
    random,
    // All channels alike: a random start would weigh them at random where training is short.
    fromZero: true,
  });

  function ofEach(c: tf.Tensor2D | undefined): OfEach {
    const raw = network.apply(c ?? tf.ones([1, 1]));
    const logVar: tf.Tensor2D = tf.add(tf.mul(tf.sigmoid(raw), high - low), low);
    return (follows) => atEveryPosition(follows(logVar), length);
  }

  return {
    weights: network.weights,
    negativeLogLikelihood: ({ x, mask, c }, output) =>
      tf.mul(density.negativeLog(x, output, ofEach(c)), mask),
    deviance: ({ x, mask, c }, output) => tf.mul(density.deviance(x, output, ofEach(c)), mask),
    mean: (output) => output,
  };
}

/**
 * [batch, channels] → [batch, length × channels], all positions alike. As a product with copies of I: every engine does that,
 * and its gradient, several times as fast as a broadcast along the middle of three dimensions.
 */
function atEveryPosition(perChannel: tf.Tensor2D, length: number): tf.Tensor2D {
  const channels = perChannel.shape[1];
  // With one channel it is a broadcast along the last dimension, which is fast.
  if (channels === 1) return perChannel;
  return matMul(perChannel, tf.tile(tf.eye(channels), [1, length]));
}

/** N(x; mean, σ²). */
const gaussian: Density = {
  negativeLog: (x, mean, ofEach) =>
    tf.add(
      gaussian.deviance(x, mean, ofEach),
      ofEach((logVar) => leastNegativeLogDensity({ logVar })),
    ),
  deviance: (x, mean, ofEach) =>
    tf.mul(
      tf.square(tf.sub(x, mean)),
      ofEach((logVar) => tf.mul(tf.exp(tf.neg(logVar)), 0.5)),
    ),
};

/** Student's t with ν degrees of freedom, location mean and scale σ: heavy tails, so that one wild value costs little. */
function studentT(nu: number): Density {
  const constant = logGamma(nu / 2) - logGamma((nu + 1) / 2) + 0.5 * Math.log(nu * Math.PI);
  const deviance: Term = (x, mean, ofEach) => {
    const inverse = ofEach((logVar) => tf.div(tf.exp(tf.neg(logVar)), nu));
    return tf.mul(tf.log1p(tf.mul(tf.square(tf.sub(x, mean)), inverse)), (nu + 1) / 2);
  };
  return {
    negativeLog: (x, mean, ofEach) =>
      tf.add(
        deviance(x, mean, ofEach),
        ofEach((logVar) => tf.add(tf.mul(logVar, 0.5), constant)),
      ),
    deviance,
  };
}

/** x in [0, 1], the output its log-odds: softplus(l) − x·l. */
const bernoulli: Likelihood = {
  weights: new Map(),
  negativeLogLikelihood: ({ x, mask }, logits) =>
    tf.mul(tf.sub(tf.softplus(logits), tf.mul(x, logits)), mask),
  deviance({ x, mask }, logits) {
    const nonZero = (p: tf.Tensor2D): tf.Tensor2D => tf.clipByValue(p, 1e-7, 1);
    const rest: tf.Tensor2D = tf.sub(1, x);
    const negativeEntropy = tf.add(tf.mul(x, tf.log(nonZero(x))), tf.mul(rest, tf.log(nonZero(rest))));
    const beyond: tf.Tensor2D = tf.add(tf.sub(tf.softplus(logits), tf.mul(x, logits)), negativeEntropy);
    return tf.mul(tf.relu(beyond), mask);
  },
  mean: (logits) => tf.sigmoid(logits),
};

/** The largest value of a byte: x = byte / 255. */
const maxByte = 255;

/**
 * A logistic distribution of variance σ² cut into 256 bins, the outer two open (Salimans 2017). With u and v its
 * arguments at the bin's ends: P = sigmoid(u) − sigmoid(v) = sigmoid(u)·sigmoid(−v)·(1 − exp(v − u)), which is stable
 * far out; at x = 0 only sigmoid(u) is left, at x = 1 only sigmoid(−v).
 */
const negativeLogOfBin: Term = (x, mean, ofEach) => {
  // The variance of a logistic is s²·π²/3.
  const inverse = (logVar: tf.Tensor2D): tf.Tensor2D =>
    tf.mul(tf.exp(tf.mul(logVar, -0.5)), Math.PI / Math.sqrt(3));
  const halfBin = (logVar: tf.Tensor2D): tf.Tensor2D => tf.mul(inverse(logVar), 0.5 / maxByte);
  const center = tf.mul(tf.sub(x, mean), ofEach(inverse));
  const half = ofEach(halfBin);
  const aboveFirst = tf.cast(tf.greater(x, 0.5 / maxByte), 'float32');
  const belowLast = tf.cast(tf.less(x, 1 - 0.5 / maxByte), 'float32');
  const upper = tf.mul(belowLast, tf.softplus(tf.neg(tf.add(center, half))));
  const lower = tf.mul(aboveFirst, tf.softplus(tf.sub(center, half)));
  const bin = ofEach((logVar) => tf.log(tf.neg(tf.expm1(tf.mul<tf.Tensor2D>(halfBin(logVar), -2)))));
  return tf.sub(tf.add(upper, lower), tf.mul(tf.mul(aboveFirst, belowLast), bin));
};

const discretisedLogistic: Density = {
  negativeLog: negativeLogOfBin,
  // At the ends the likeliest output lies beyond x: of what is likelier than x itself nothing is left.
  deviance: (x, mean, ofEach) =>
    tf.relu(tf.sub<tf.Tensor2D>(negativeLogOfBin(x, mean, ofEach), negativeLogOfBin(x, x, ofEach))),
};

/** log Γ(x) for x > 0: Stirling's series beyond 7, and Γ(x) = Γ(x + 1)/x below. */
export function logGamma(x: number): number {
  if (x < 7) return logGamma(x + 1) - Math.log(x);
  const square = x * x;
  const series = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / square) / square) / square) / x;
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series;
}
