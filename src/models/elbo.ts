/**
 * The negative ELBO of a VAE with one level of codes or several, and all that follows from its q, p(z) and p(x|z):
 *   −ELBO(x) = E_q[ −log p(x|z) ] + Σ_l KL( q(z_l|x,z_<l) ‖ p(z_l|z_<l) ),  z_1 the uppermost
 * A model says what these are, and what the rates cost. Everything is given c where there are conditions.
 */
import { tf } from '../tensor';
import { aboveLeast, klPerDimension, leastNegativeLogDensity, sample, type Gaussian } from './gaussian';
import type { Likelihood } from './likelihood';
import {
  assessmentOf,
  type Examples,
  type NegativeLogJoint,
  type Loss,
  type Model,
  type ModelSpec,
} from './model';
import { sideBySide, type Network } from './network';
import { meanRate } from './rate';

/** The codes of one level. */
export interface Level {
  dim: number;
  /** q(z_l|x,z_<l,c). Shape [batch, dim]. */
  posterior: (examples: Examples, above: readonly tf.Tensor2D[]) => Gaussian;
  /** p(z_l|z_<l,c). Shape [batch or 1, dim]. */
  prior: (above: readonly tf.Tensor2D[], c: tf.Tensor2D | undefined) => Gaussian;
}

/** One level, inferred. */
export interface Inferred {
  q: Gaussian;
  p: Gaussian;
  /** Shape [batch, dim]. */
  z: tf.Tensor2D;
}

export interface ElboParts {
  spec: ModelSpec;
  levels: readonly Level[];
  /** Reads the codes of all levels, and c. */
  decoder: Network;
  likelihood: Likelihood;
  /** Everything with weights, in the order in which they are stored. */
  networks: readonly Pick<Network, 'weights'>[];
  /**
   * The term of the loss that stands for the rates. Scalar.
   * @param rates of each level, shape [batch, dim]
   * @param step how many steps went before; undefined = behind every schedule
   */
  cost: (rates: readonly tf.Tensor2D[], step: tf.Scalar | undefined) => tf.Scalar;
  warmUpSteps?: number;
}

export interface Elbo {
  model: Model;
  /** All levels from the top: `draw` picks each z from its posterior. */
  infer: (examples: Examples, draw: (q: Gaussian) => tf.Tensor2D) => Inferred[];
  /** The codes above with those of the levels below, which `draw` picks from their priors. */
  descend: (
    above: readonly tf.Tensor2D[],
    c: tf.Tensor2D | undefined,
    draw: (p: Gaussian) => tf.Tensor2D,
  ) => tf.Tensor2D[];
  /** The decoder's output for codes of all levels. Shape [batch, dim]. */
  decode: (z: readonly tf.Tensor2D[], c: tf.Tensor2D | undefined) => tf.Tensor2D;
}

/** The model that these parts make, and what else can be asked of its levels. */
export function createElbo(parts: ElboParts): Elbo {
  const { spec, levels, decoder, likelihood, networks, cost, warmUpSteps = 0 } = parts;
  const weights = new Map(networks.flatMap((network) => [...network.weights]));
  const dims = levels.map(({ dim }) => dim);

  function infer(examples: Examples, draw: (q: Gaussian) => tf.Tensor2D): Inferred[] {
    const inferred: Inferred[] = [];
    for (const { posterior, prior } of levels) {
      const above = inferred.map(({ z }) => z);
      const q = posterior(examples, above);
      inferred.push({ q, p: prior(above, examples.c), z: draw(q) });
    }
    return inferred;
  }

  const descend: Elbo['descend'] = (above, c, draw) => {
    const z = [...above];
    for (const { prior } of levels.slice(z.length)) z.push(draw(prior(z, c)));
    return z;
  };

  const decode: Elbo['decode'] = (z, c) => decoder.apply(sideBySide(...z, c)!);

  function negativeElbo(
    examples: Examples,
    draw: (q: Gaussian) => tf.Tensor2D,
    step: tf.Scalar | undefined,
  ): Loss {
    const inferred = infer(examples, draw);
    const output = decode(
      inferred.map(({ z }) => z),
      examples.c,
    );
    const distortion: tf.Scalar = tf.mean(tf.sum(likelihood.negativeLogLikelihood(examples, output), 1));
    const rates = inferred.map(({ q, p }) => klPerDimension(q, p)); // each [batch, dim]
    return {
      loss: tf.add(distortion, cost(rates, step)),
      distortion,
      rate: rates.map(meanRate).reduce((sum, rate) => tf.add(sum, rate)),
    };
  }

  const encode = (examples: Examples): tf.Tensor2D =>
    sideBySide(...infer(examples, (q) => q.mean).map(({ z }) => z))!;

  /** The codes of each level. Not by `tf.split`: of one level that has no gradient. */
  function levelsOf(code: tf.Tensor2D): tf.Tensor2D[] {
    if (dims.length === 1) return [code];
    let from = 0;
    return dims.map((dim) => tf.slice(code, [0, (from += dim) - dim], [-1, dim]));
  }

  function negativeLogJoint(code: tf.Tensor2D, examples: Examples): NegativeLogJoint {
    const z = levelsOf(code);
    const output = decode(z, examples.c);
    const priors = levels.map(({ prior }, l) => prior(z.slice(0, l), examples.c));
    const deviances = priors.map((p, l) => aboveLeast(z[l]!, p));
    const negativeLogPriors = priors.map((p, l) =>
      tf.add<tf.Tensor2D>(deviances[l]!, leastNegativeLogDensity(p)),
    );
    return {
      distortion: likelihood.negativeLogLikelihood(examples, output),
      deviance: likelihood.deviance(examples, output),
      negativeLogPrior: sideBySide(...negativeLogPriors)!,
      priorDeviance: sideBySide(...deviances)!,
      expected: likelihood.mean(output),
    };
  }

  const model: Model = {
    spec,
    weights,
    statistics: ['reconstruction', 'latent'],
    latentDims: dims,
    warmUpSteps,
    phases: [
      {
        name: 'elbo',
        variables: [...weights.values()],
        loss: (examples, noise, step) =>
          negativeElbo(examples, (q) => sample(q, noise.normalTensor(q.mean.shape)), step).loss,
      },
    ],
    validationLoss: (examples) => negativeElbo(examples, (q) => q.mean, undefined),
    // With the posterior mean for z the same record has the same score.
    assess: (examples) => assessmentOf(negativeLogJoint(encode(examples), examples)),
    negativeLogJoint,
    activity: (examples) =>
      infer(examples, (q) => q.mean).map(({ q, p }) => tf.mean(klPerDimension(q, p), 0)),
    encode,
    generate(count, c, noise, temperature) {
      const draw = (p: Gaussian): tf.Tensor2D =>
        sample(p, tf.mul(noise.normalTensor([count, p.mean.shape[1]]), temperature));
      return likelihood.mean(decode(descend([], c, draw), c));
    },
  };
  return { model, infer, descend, decode };
}
