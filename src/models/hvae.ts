/**
 * Hierarchical VAE with L ≥ 2 levels, z1 the uppermost; with conditions, every distribution is also given c:
 *   q(z|x) = q(z1|x) q(z2|x,z1) …      p(x,z) = p(z1) p(z2|z1) … p(x|z1,z2,…)
 *   −ELBO(x) = E_q[ −log p(x|z) ] + Σ_l w_l · KL( q(z_l|x,z_<l) ‖ p(z_l|z_<l) )   (Sønderby 2016) If the upper k levels are inferred and the lower ones are taken from their prior, L^{>k}(x) shows how well the abstract part of the code explains x. LLR(x) = L(x) − L^{>k}(x) (Havtorn 2021) is large for x that resembles the training data only in its details.
 */
import { amounts, show, whole, widths } from '../schema/formats';
import type { Parsed } from '../schema/key';
import { tf, type Random } from '../tensor';
import { createDecoder, createEncoder } from './coder';
import { gaussianTerms, trainByElbo, type NegativeElbo, type Sampler } from './elbo';
import {
  drawGaussian,
  gaussianFrom,
  kl,
  klPerDimension,
  standardNormal,
  type Gaussian,
  type Inferred,
} from './gaussian';
import { assessmentOf, createLatentModel } from './latent-model';
import { createLikelihood } from './likelihood';
import type { Examples, Model, ModelFamily, SpecWith } from './model';
import { createMlp, sideBySide } from './network';
import { exampleKeys, type OptionRule } from './options';
import { createImageHvae } from './image-hvae';
import { meanRate, rateAboveFreeBits, sumOf } from './rate';

/** Codes of the levels, from the uppermost on. Each has shape [batch, dim of its level]. */
type Codes = readonly tf.Tensor2D[];

const options = {
  levels: widths({
    doc: 'Dimensions of each level of the latent code, the upper one first; at least two.',
    default: [4, 8],
  }),
  levelWeights: amounts({ doc: 'Weight of the rate of each level in the loss. Empty: 1 each.', default: [] }),
  levelFreeBits: amounts({
    doc: 'Nats of rate of each latent dimension that the loss does not count, for each level. Empty: 0 each.',
    default: [],
  }),
  llrLevels: whole({
    doc: 'Number of upper levels that the statistic `llr` compares with the whole hierarchy.',
    default: 1,
  }),
};

type Options = Parsed<typeof options>;

export function createHvae(spec: SpecWith<typeof options>, random: Random): Model {
  const { levels: dims, levelWeights, levelFreeBits, llrLevels, conditionDim, hidden } = spec;
  const latentDim = dims.reduce((sum, dim) => sum + dim, 0);
  /** Width of the inputs of each level in addition to x: the levels above it, and c. */
  const givenDims = dims.map((_, l) => dims.slice(0, l).reduce((sum, dim) => sum + dim, conditionDim));
  const posteriors = dims.map((dim, l) => {
    const name = `posterior/${l + 1}`;
    return createEncoder(spec, { name, givenDim: givenDims[l]!, outputs: 2 * dim, random });
  });
  // z1 has no level above it: without conditions its prior is N(0, I).
  const priors = dims.map((dim, l) =>
    givenDims[l] === 0
      ? undefined
      : createMlp({ name: `prior/${l + 1}`, sizes: [givenDims[l]!, hidden.at(-1)!, 2 * dim], random }),
  );
  const decoder = createDecoder(spec, { name: 'decoder', inputs: latentDim + conditionDim, random });
  const likelihood = createLikelihood(spec, random);

  /** q(z_l|x,z_<l,c). Shape [batch, dims[l]]. */
  function posterior(l: number, { x, c }: Examples, above: Codes): Gaussian {
    return gaussianFrom(posteriors[l]!.apply(x, sideBySide(...above, c)));
  }

  /** p(z_l|z_<l,c). Shape [batch or 1, dims[l]]. */
  function prior(l: number, above: Codes, c: tf.Tensor2D | undefined): Gaussian {
    const network = priors[l];
    return network === undefined
      ? standardNormal(dims[l]!)
      : gaussianFrom(network.apply(sideBySide(...above, c)!));
  }

  const decode = (z: tf.Tensor2D, c: tf.Tensor2D | undefined): tf.Tensor2D =>
    decoder.apply(sideBySide(z, c)!);

  /** The code of each level, given the codes above it. */
  function infer(examples: Examples, sample: Sampler): Inferred[] {
    const inferred: Inferred[] = [];
    for (const l of dims.keys()) {
      const above = inferred.map(({ z }) => z);
      const q = posterior(l, examples, above);
      inferred.push({ q, p: prior(l, above, examples.c), z: sample(q) });
    }
    return inferred;
  }

  /**
   * The codes of the upper levels, and those of the lower levels taken from their priors, concatenated. Shape [batch,
   * latentDim].
   */
  function descend(above: Codes, c: tf.Tensor2D | undefined, sample: Sampler): tf.Tensor2D {
    const z = [...above];
    while (z.length < dims.length) z.push(sample(prior(z.length, z, c)));
    return sideBySide(...z)!;
  }

  const codeOf = (inferred: readonly Inferred[]): tf.Tensor2D => sideBySide(...inferred.map(({ z }) => z))!;

  const negativeElbo: NegativeElbo = (examples, sample) => {
    const inferred = infer(examples, sample);
    const z = codeOf(inferred); // [batch, latentDim]
    const distortion = likelihood.negativeLogLikelihood(examples, decode(z, examples.c)).sum(1).mean();
    const rates = inferred.map(({ q, p }) => klPerDimension(q, p)); // each [batch, dims[l]]
    const weighted = rates.map((rate, l) =>
      rateAboveFreeBits(rate, levelFreeBits[l] ?? 0).mul(levelWeights[l] ?? 1),
    );
    return { loss: distortion.add(sumOf(weighted)), distortion, rate: sumOf(rates.map(meanRate)) };
  };

  const model = createLatentModel({
    spec,
    networks: [...posteriors, ...priors, decoder, likelihood].filter((part) => part !== undefined),
    latentDims: dims,
    likelihood,
    encode: (examples) => codeOf(infer(examples, ({ mean }) => mean)),
    decode,
    priorTerms(code, c) {
      let from = 0;
      const z = dims.map((dim) => tf.slice(code, [0, (from += dim) - dim], [-1, dim]));
      const terms = z.map((own, l) => gaussianTerms(own, prior(l, z.slice(0, l), c)));
      return {
        negativeLogPrior: sideBySide(...terms.map(({ negativeLogPrior }) => negativeLogPrior))!,
        priorDeviance: sideBySide(...terms.map(({ priorDeviance }) => priorDeviance))!,
      };
    },
    drawCodes: (count, c, noise, temperature) =>
      descend([], c, (p) => drawGaussian(p, count, noise, temperature)),
  });

  /** L(x) − L^{>k}(x), both at the means; the KL of the upper k levels is in both. Shape [batch]. */
  function logLikelihoodRatio(
    examples: Examples,
    inferred: readonly Inferred[],
    distortion: tf.Tensor2D,
  ): tf.Tensor1D {
    const { c } = examples;
    const upper = inferred.slice(0, llrLevels).map(({ z }) => z);
    const fromTop = descend(upper, c, ({ mean }) => mean);
    const topDistortion = likelihood.negativeLogLikelihood(examples, decode(fromTop, c));
    const lowerRates = inferred.slice(llrLevels).map(({ q, p }) => kl(q, p));
    return topDistortion.sub(distortion).sum(1).sub(sumOf(lowerRates));
  }

  return {
    ...model,
    ...trainByElbo(model.weights, negativeElbo),
    warmUpSteps: 0,
    statistics: [...model.statistics, 'llr'],
    assess(examples) {
      const inferred = infer(examples, ({ mean }) => mean);
      const assessment = assessmentOf(model.negativeLogJoint(codeOf(inferred), examples));
      const llr = logLikelihoodRatio(examples, inferred, assessment.distortion);
      return { ...assessment, statistics: { ...assessment.statistics, llr } };
    },
    activity: (examples) =>
      infer(examples, ({ mean }) => mean).map(({ q, p }) => klPerDimension(q, p).mean(0)),
  };
}

/** Format of a list with one entry per level, or none. */
const perLevel = (key: 'levelWeights' | 'levelFreeBits'): OptionRule<Options> => ({
  keys: [key, 'levels'],
  problem: ({ levels, [key]: list }) =>
    list.length === 0 || list.length === levels.length
      ? undefined
      : `must have one entry for each of the ${levels.length} levels, or none (got ${show(list)})`,
});

const rules: readonly OptionRule<Options>[] = [
  {
    keys: ['levels'],
    beside: exampleKeys,
    problem({ levels }, sizeOf) {
      if (levels.length < 2) return `must have at least two levels (got ${show(levels)})`;
      const { dim, names, product } = sizeOf();
      const widest = Math.max(...levels);
      return dim === 0 || widest < dim
        ? undefined
        : `must each be below ${names} (got ${widest}, with ${product})`;
    },
  },
  perLevel('levelWeights'),
  perLevel('levelFreeBits'),
  {
    keys: ['llrLevels', 'levels'],
    problem: ({ llrLevels, levels }) =>
      llrLevels < levels.length
        ? undefined
        : `must be below the number of levels (got ${llrLevels}, with ${levels.length} levels)`,
  },
];

export const hvae: ModelFamily<typeof options> = {
  options,
  rules,
  create: (spec, random) =>
    spec.patches === true ? createImageHvae(spec, random) : createHvae(spec, random),
  hasImageLevel: true,
};
