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
import { createElbo, type Inferred, type Level } from './elbo';
import { gaussianFrom, kl, standardNormal } from './gaussian';
import { createLikelihood } from './likelihood';
import { assessmentOf, type Examples, type Model, type ModelFamily, type ModelSpec } from './model';
import { createMlp, sideBySide } from './network';
import { rateAboveFreeBits } from './rate';

export function createHvae(spec: ModelSpec, random: Random): Model {
  const { levels: dims, levelWeights, levelFreeBits, llrLevels, conditionDim, hidden } = spec;
  const latentDim = dims.reduce((sum, dim) => sum + dim, 0);
  /** Width of what level l is given beside x: the levels above it, and c. */
  const givenDims = dims.map((_, l) => dims.slice(0, l).reduce((sum, dim) => sum + dim, conditionDim));
  const posteriors = dims.map((dim, l) =>
    createEncoder(spec, {
      name: `posterior/${l + 1}`,
      givenDim: givenDims[l]!,
      outputs: 2 * dim,
      random,
    }),
  );
  // Nothing is above z1: without conditions its prior is N(0, I).
  const priors = dims.map((dim, l) =>
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
  const sumOf = <T extends tf.Tensor>(parts: T[]): T => parts.reduce((sum, part) => tf.add(sum, part));

  const levels = dims.map((dim, l): Level => {
    const network = priors[l];
    return {
      dim,
      posterior: ({ x, c }, above) => gaussianFrom(posteriors[l]!.apply(x, sideBySide(...above, c))),
      prior: (above, c) =>
        network === undefined ? standardNormal(dim) : gaussianFrom(network.apply(sideBySide(...above, c)!)),
    };
  });
  const { model, infer, descend, decode } = createElbo({
    spec,
    levels,
    decoder,
    likelihood,
    networks: [...posteriors, ...priors, decoder, likelihood].filter((part) => part !== undefined),
    cost: (rates) =>
      sumOf(
        rates.map((rate, l) =>
          tf.mul<tf.Scalar>(rateAboveFreeBits(rate, levelFreeBits[l] ?? 0), levelWeights[l] ?? 1),
        ),
      ),
  });

  /** L(x) − L^{>k}(x), each with means instead of draws; the KL of the upper k levels is in both. Shape [batch]. */
  function logLikelihoodRatio(
    examples: Examples,
    inferred: Inferred[],
    distortion: tf.Tensor2D,
  ): tf.Tensor1D {
    const { c } = examples;
    const upper = inferred.slice(0, llrLevels).map(({ z }) => z);
    const fromTop = descend(upper, c, ({ mean }) => mean);
    const topDistortion = likelihood.negativeLogLikelihood(examples, decode(fromTop, c));
    const lowerRates = inferred.slice(llrLevels).map(({ q, p }) => kl(q, p));
    return tf.sub(tf.sum(tf.sub(topDistortion, distortion), 1), sumOf(lowerRates));
  }

  return {
    ...model,
    statistics: [...model.statistics, 'llr'],
    assess(examples) {
      const inferred = infer(examples, (q) => q.mean); // the same record has the same score
      const code = sideBySide(...inferred.map(({ z }) => z))!;
      const assessment = assessmentOf(model.negativeLogJoint(code, examples));
      const llr = logLikelihoodRatio(examples, inferred, assessment.distortion);
      return { ...assessment, statistics: { ...assessment.statistics, llr } };
    },
  };
}

export const hvae: ModelFamily = {
  create: createHvae,
  options: ['levels', 'levelWeights', 'levelFreeBits', 'llrLevels'],
};
