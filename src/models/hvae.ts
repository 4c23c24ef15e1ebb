/**
 * Hierarchical VAE with L ≥ 2 levels, z1 the uppermost, everything given c where there are conditions:
 *   q(z|x) = q(z1|x) q(z2|x,z1) …      p(x,z) = p(z1) p(z2|z1) … p(x|z1,z2,…)
 *   −ELBO(x) = E_q[ −log p(x|z) ] + Σ_l w_l · KL( q(z_l|x,z_<l) ‖ p(z_l|z_<l) )   (Sønderby 2016)
 * With the upper k levels inferred and the lower ones left to their prior, L^{>k}(x) says how well x is explained by
 * what is abstract about it. LLR(x) = L(x) − L^{>k}(x) (Havtorn 2021) is large for what is like the training
 * data only in its details.
 */
import { tf, type Random } from '../tensor';
import { createDecoder, createEncoder } from './coder';
import {
  gaussianFrom,
  kl,
  klPerDimension,
  negativeLogDensity,
  sample,
  standardNormal,
  type Gaussian,
} from './gaussian';
import { createLikelihood } from './likelihood';
import type { Examples, Loss, Model, ModelFamily, ModelSpec } from './model';
import { createMlp, sideBySide } from './network';
import { meanRate, rateAboveFreeBits } from './rate';

/** One level, inferred. */
interface Level {
  /** q(z_l|x,z_<l). */
  q: Gaussian;
  /** p(z_l|z_<l). */
  p: Gaussian;
  /** Shape [batch, levels[l]]. */
  z: tf.Tensor2D;
}

export function createHvae(spec: ModelSpec, random: Random): Model {
  const { levels, levelWeights, levelFreeBits, llrLevels, conditionDim, hidden } = spec;
  const latentDim = levels.reduce((sum, dim) => sum + dim, 0);
  /** Width of what level l is given beside x: the levels above it, and c. */
  const givenDims = levels.map((_, l) => levels.slice(0, l).reduce((sum, dim) => sum + dim, conditionDim));
  const posteriors = levels.map((dim, l) =>
    createEncoder(spec, {
      name: `posterior/${l + 1}`,
      givenDim: givenDims[l]!,
      outputs: 2 * dim,
      random,
    }),
  );
  // Nothing is above z1: without conditions its prior is N(0, I).
  const priors = levels.map((dim, l) =>
    givenDims[l] === 0
      ? undefined
      : createMlp({
          name: `prior/${l + 1}`,
          sizes: [givenDims[l]!, hidden.at(-1)!, 2 * dim],
          random,
        }),
  );
  const decoder = createDecoder(spec, { name: 'decoder', inputs: latentDim + conditionDim, random });
  const likelihood = createLikelihood(spec, random);

  function prior(l: number, given: tf.Tensor2D | undefined): Gaussian {
    const network = priors[l];
    return network === undefined ? standardNormal(levels[l]!) : gaussianFrom(network.apply(given!));
  }

  /** All levels from the top: `draw` picks each z from its posterior. */
  function infer({ x, c }: Examples, draw: (q: Gaussian) => tf.Tensor2D): Level[] {
    const inferred: Level[] = [];
    posteriors.forEach((posterior, l) => {
      const given = sideBySide(...inferred.map(({ z }) => z), c);
      const q = gaussianFrom(posterior.apply(x, given));
      inferred.push({ q, p: prior(l, given), z: draw(q) });
    });
    return inferred;
  }

  /** Levels below the given ones, from their priors. */
  function descend(
    above: readonly tf.Tensor2D[],
    c: tf.Tensor2D | undefined,
    draw: (p: Gaussian) => tf.Tensor2D,
  ): tf.Tensor2D[] {
    const z = [...above];
    for (let l = z.length; l < levels.length; l++) z.push(draw(prior(l, sideBySide(...z, c))));
    return z;
  }

  const decode = (z: readonly tf.Tensor2D[], c: tf.Tensor2D | undefined): tf.Tensor2D =>
    decoder.apply(sideBySide(...z, c)!);
  const zOf = (inferred: readonly Level[]): tf.Tensor2D[] => inferred.map(({ z }) => z);
  const sumOf = <T extends tf.Tensor>(parts: T[]): T => parts.reduce((sum, part) => tf.add(sum, part));

  function negativeElbo(examples: Examples, draw: (q: Gaussian) => tf.Tensor2D): Loss {
    const inferred = infer(examples, draw);
    const output = decode(zOf(inferred), examples.c);
    const distortion: tf.Scalar = tf.mean(tf.sum(likelihood.negativeLogLikelihood(examples, output), 1));
    const rates = inferred.map(({ q, p }) => klPerDimension(q, p)); // each [batch, levels[l]]
    const costs = rates.map((rate, l) =>
      tf.mul<tf.Scalar>(rateAboveFreeBits(rate, levelFreeBits[l] ?? 0), levelWeights[l] ?? 1),
    );
    return { loss: sumOf([distortion, ...costs]), distortion, rate: sumOf(rates.map(meanRate)) };
  }

  /** L(x) − L^{>k}(x), each with means instead of draws; the KL of the upper k levels is in both. Shape [batch]. */
  function logLikelihoodRatio(examples: Examples, inferred: Level[], distortion: tf.Tensor2D): tf.Tensor1D {
    const { c } = examples;
    const fromTop = descend(zOf(inferred.slice(0, llrLevels)), c, ({ mean }) => mean);
    const topDistortion = likelihood.negativeLogLikelihood(examples, decode(fromTop, c));
    const lowerRates = inferred.slice(llrLevels).map(({ q, p }) => kl(q, p));
    return tf.sub(tf.sum(tf.sub(topDistortion, distortion), 1), sumOf(lowerRates));
  }

  const networks = [...posteriors, ...priors, decoder, likelihood].filter((part) => part !== undefined);
  const weights = new Map(networks.flatMap((network) => [...network.weights]));

  return {
    spec,
    weights,
    statistics: ['reconstruction', 'latent', 'llr'],
    latentDims: levels,
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
      const inferred = infer(examples, (q) => q.mean); // the same record has the same score
      const output = decode(zOf(inferred), examples.c);
      const distortion = likelihood.negativeLogLikelihood(examples, output);
      return {
        statistics: {
          reconstruction: tf.sum<tf.Tensor1D>(distortion, 1),
          latent: sumOf(inferred.map(({ z, p }) => tf.sum<tf.Tensor1D>(negativeLogDensity(z, p), 1))),
          llr: logLikelihoodRatio(examples, inferred, distortion),
        },
        distortion,
        excess: likelihood.excess(examples, output),
        expected: likelihood.mean(output),
      };
    },
    activity: (examples) =>
      infer(examples, (q) => q.mean).map(({ q, p }) => tf.mean(klPerDimension(q, p), 0)),
    encode: (examples) => sideBySide(...zOf(infer(examples, (q) => q.mean)))!,
    generate(count, c, noise, temperature) {
      const draw = (p: Gaussian): tf.Tensor2D =>
        sample(p, tf.mul(noise.normalTensor([count, p.mean.shape[1]]), temperature));
      return likelihood.mean(decode(descend([], c, draw), c));
    },
  };
}

export const hvae: ModelFamily = {
  create: createHvae,
  options: ['levels', 'levelWeights', 'levelFreeBits', 'llrLevels'],
};
