/** p(x|z): how well a reconstruction explains x, per dimension. Missing values are masked. */
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
   * −log p(x|z) minus that of a perfect reconstruction, in nats: ≥ 0, and 0 where the mask is 0. It is half the deviance of
   * statistics. Noise that the model expects of a channel does not increase it. Shape [batch, dim].
   */
  deviance(examples: Examples, output: tf.Tensor2D): tf.Tensor2D;
  /** The mean of p(x|z). Shape [batch, dim]. */
  mean(output: tf.Tensor2D): tf.Tensor2D;
}

/** The likelihood in the spec. */
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

/** Applies a function of log σ² of each channel, [batch or 1, channels], and repeats the result for each position: [batch or 1, dim]. */
type OfEach = (compute: (logVar: tf.Tensor2D) => tf.Tensor2D) => tf.Tensor2D;

/** A term for each value; x and output have shape [batch, dim]. */
type Term = (x: tf.Tensor2D, output: tf.Tensor2D, ofEach: OfEach) => tf.Tensor2D;

interface Density {
  /** −log p of each value. */
  negativeLog: Term;
  /** −log p minus that with x itself as the output, ≥ 0. */
  deviance: Term;
}

/**
 * A density with a learned σ² per channel, the same at all positions, given c: noise may differ between modes. A sigmoid
 * keeps log σ² within bounds: without the lower one, a channel that is fitted perfectly dominates the loss.
 */
function withLearnedVariance(spec: ModelSpec, random: Random, density: Density): Likelihood {
  const { channels, length, conditionDim } = spec;
  const low = Math.log(spec.minVariance);
  const high = Math.log(spec.maxVariance);
  const network = createMlp({
    name: 'likelihood/variance',
    sizes: [Math.max(1, conditionDim), channels],
    random,
    // All channels start with the same variance: random ones would weight them at random in a short training.
    fromZero: true,
  });

  function ofEach(c: tf.Tensor2D | undefined): OfEach {
    const raw = network.apply(c ?? tf.ones([1, 1]));
    const logVar = raw
      .sigmoid()
      .mul(high - low)
      .add(low); // [batch or 1, channels]
    return (compute) => atEveryPosition(compute(logVar), length);
  }

  return {
    weights: network.weights,
    negativeLogLikelihood: ({ x, mask, c }, output) => density.negativeLog(x, output, ofEach(c)).mul(mask),
    deviance: ({ x, mask, c }, output) => density.deviance(x, output, ofEach(c)).mul(mask),
    mean: (output) => output,
  };
}

/**
 * [batch, channels] → [batch, length × channels], the same at all positions. It is a product with copies of I: in every engine,
 * the product and its gradient are several times as fast as a broadcast along the middle of three dimensions.
 */
function atEveryPosition(perChannel: tf.Tensor2D, length: number): tf.Tensor2D {
  const channels = perChannel.shape[1];
  // With one channel, a broadcast along the last dimension suffices, which is fast.
  if (channels === 1) return perChannel;
  return matMul(perChannel, tf.tile(tf.eye(channels), [1, length]));
}

/** N(x; mean, σ²). */
const gaussian: Density = {
  negativeLog: (x, mean, ofEach) =>
    gaussian.deviance(x, mean, ofEach).add(ofEach((logVar) => leastNegativeLogDensity({ logVar }))),
  deviance: (x, mean, ofEach) =>
    x
      .sub(mean)
      .square()
      .mul(ofEach((logVar) => logVar.neg().exp().mul(0.5))),
};

/** Student's t with ν degrees of freedom, location mean and scale σ: heavy tails, so that a single outlier costs little. */
function studentT(nu: number): Density {
  const constant = logGamma(nu / 2) - logGamma((nu + 1) / 2) + 0.5 * Math.log(nu * Math.PI);
  const deviance: Term = (x, mean, ofEach) => {
    const inverse = ofEach((logVar) => logVar.neg().exp().div(nu)); // 1 / (ν·σ²)
    return x
      .sub(mean)
      .square()
      .mul(inverse)
      .log1p()
      .mul((nu + 1) / 2);
  };
  return {
    negativeLog: (x, mean, ofEach) =>
      deviance(x, mean, ofEach).add(ofEach((logVar) => logVar.mul(0.5).add(constant))),
    deviance,
  };
}

/** Bernoulli with x in [0, 1] and log-odds l as the output: −log p = softplus(l) − x·l. */
const bernoulli: Likelihood = {
  weights: new Map(),
  negativeLogLikelihood: ({ x, mask }, logits) => logits.softplus().sub(x.mul(logits)).mul(mask),
  deviance({ x, mask }, logits) {
    const logOf = (p: tf.Tensor2D): tf.Tensor2D => tf.clipByValue(p, 1e-7, 1).log();
    const rest: tf.Tensor2D = tf.sub(1, x);
    const negativeEntropy = x.mul(logOf(x)).add(rest.mul(logOf(rest)));
    return logits.softplus().sub(x.mul(logits)).add(negativeEntropy).relu().mul(mask);
  },
  mean: (logits) => logits.sigmoid(),
};

/** The largest value of a byte: x = byte / 255. */
const maxByte = 255;

/**
 * A logistic distribution of variance σ² divided into 256 bins, the outer two open (Salimans 2017). With u and v its arguments
 * at the ends of the bin: P = sigmoid(u) − sigmoid(v) = sigmoid(u)·sigmoid(−v)·(1 − exp(v − u)), which is stable far from the
 * mean. At x = 0 only sigmoid(u) remains, at x = 1 only sigmoid(−v).
 */
const negativeLogOfBin: Term = (x, mean, ofEach) => {
  // The variance of a logistic is s²·π²/3.
  const inverse = (logVar: tf.Tensor2D): tf.Tensor2D =>
    logVar
      .mul(-0.5)
      .exp()
      .mul(Math.PI / Math.sqrt(3));
  const halfBin = (logVar: tf.Tensor2D): tf.Tensor2D => inverse(logVar).mul(0.5 / maxByte);
  const center = x.sub(mean).mul(ofEach(inverse));
  const half = ofEach(halfBin);
  const aboveFirst = tf.cast(tf.greater<tf.Tensor2D>(x, 0.5 / maxByte), 'float32');
  const belowLast = tf.cast(tf.less<tf.Tensor2D>(x, 1 - 0.5 / maxByte), 'float32');
  const upper = belowLast.mul(center.add(half).neg().softplus());
  const lower = aboveFirst.mul(center.sub(half).softplus());
  const bin = ofEach((logVar) => halfBin(logVar).mul(-2).expm1().neg().log());
  return upper.add(lower).sub(aboveFirst.mul(belowLast).mul(bin));
};

const discretisedLogistic: Density = {
  negativeLog: negativeLogOfBin,
  // In the open bins, an output beyond x is likelier than x itself; its negative deviance is set to 0.
  deviance: (x, mean, ofEach) =>
    negativeLogOfBin(x, mean, ofEach)
      .sub(negativeLogOfBin(x, x, ofEach))
      .relu(),
};

/** log Γ(x) for x > 0: Stirling's series beyond 7, and Γ(x) = Γ(x + 1)/x below. */
export function logGamma(x: number): number {
  if (x < 7) return logGamma(x + 1) - Math.log(x);
  const square = x * x;
  const series = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / square) / square) / square) / x;
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series;
}
