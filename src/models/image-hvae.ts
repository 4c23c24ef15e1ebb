/**
 * The hierarchical VAE of an image of n cells: z1 describes the image, z2_i … zL_i its cell i, given their place c_i and the
 * conditions:
 *   q(z|x) = q(z1|x) Π_i q(z2_i|x_i,z1) …      p(x,z) = p(z1) Π_i p(z2_i|z1) … p(x_i|z1,z2_i,…)
 *   −ELBO(x) = E_q[ −Σ_i log p(x_i|z) ] + w_1·KL( q(z1|x) ‖ p(z1) ) + Σ_l w_l·Σ_i KL( q(zl_i|x_i,z<l) ‖ p(zl_i|z<l) ) As in the neural statistician (Edwards & Storkey 2017, eq. 3–6), q(z1|x) reads the mean of a network over the cells, so it does not depend on their number: a training may read only some cells of an image. LLR(x) = L(x) − L^{>k}(x) (Havtorn 2021), with the codes of cells taken from p(z2_i|z1), is large for an image whose cells are usual separately, but not together.
 */
import { tf, type Random } from '../tensor';
import { gaussianTerms, trainByElbo, type NegativeElbo, type Sampler } from './elbo';
import {
  drawGaussian,
  gaussianFrom,
  klPerDimension,
  standardNormal,
  type Gaussian,
  type Inferred,
} from './gaussian';
import {
  createImageCells,
  forCells,
  likelihoodOfCells,
  placeDim,
  sideBySideCodes,
  toImages,
  type CellCodes,
  type ImageCells,
} from './image-cells';
import { assessmentOf, createLatentModel, type PriorTerms } from './latent-model';
import { createLikelihood } from './likelihood';
import type { Examples, Model, ModelSpec } from './model';
import { createMlp, sideBySide, type Network } from './network';
import { meanRate, rateAboveFreeBits, sumOf } from './rate';

interface Options {
  levels: readonly number[];
  levelWeights: readonly number[];
  levelFreeBits: readonly number[];
  llrLevels: number;
}

type Spec = ModelSpec & Options;

/** One network per symbol, first those of the image, then those of the cells. */
interface Networks {
  /** Network that reads one cell; q(z1|x) reads the mean of its outputs over the cells. */
  statistic: Network;
  posteriors: readonly Network[];
  /** z1 has no level above it: without conditions its prior is N(0, I), and the network is undefined. */
  priors: readonly (Network | undefined)[];
  decoder: Network;
}

/** @param conditionDim of an image, without the places of its cells */
function createNetworks(
  { levels: dims, channels, hidden }: Spec,
  conditionDim: number,
  random: Random,
): Networks {
  const width = hidden.at(-1)!;
  /** Width of the inputs of a cell besides its features: its place, the conditions, and the codes above level l. */
  const givenDims = dims.map((_, l) =>
    dims.slice(0, l).reduce((sum, dim) => sum + dim, conditionDim + placeDim),
  );
  const latentDim = dims.reduce((sum, dim) => sum + dim, 0);
  const mlp = (name: string, ...sizes: number[]) => createMlp({ name, sizes, random });
  return {
    statistic: mlp('statistic', channels + givenDims[0]!, ...hidden),
    posteriors: dims.map((dim, l) =>
      l === 0
        ? mlp('posterior/1', width + conditionDim, width, 2 * dim)
        : mlp(`posterior/${l + 1}`, channels + givenDims[l]!, ...hidden, 2 * dim),
    ),
    priors: dims.map((dim, l) => {
      const given = l === 0 ? conditionDim : givenDims[l]!;
      return given === 0 ? undefined : mlp(`prior/${l + 1}`, given, width, 2 * dim);
    }),
    decoder: mlp('decoder', latentDim + conditionDim + placeDim, ...[...hidden].reverse(), channels),
  };
}

/** q(z|x), p(z) and the mean of p(x|z). */
function createHierarchy(
  { statistic, posteriors, priors, decoder }: Networks,
  { levels: dims, channels, hidden }: Spec,
  { count, ofImage, rowsOf, levelsOf }: ImageCells,
) {
  /** q(z1|x,c), from the mean over the cells. @param rows features, and `given` conditions, of cells */
  function posteriorOfImage(rows: tf.Tensor2D, given: tf.Tensor2D, c: tf.Tensor2D | undefined): Gaussian {
    const n = count(c);
    const each = tf.reshape<tf.Rank.R3>(statistic.apply(rows, given), [-1, n, hidden.at(-1)!]);
    const mean = tf.sum<tf.Tensor2D>(each, 1).div(n).relu();
    return gaussianFrom(posteriors[0]!.apply(mean, ofImage(c)));
  }

  /** p(z1|c), or p(zl_i|z<l,c_i) of the cells. Shape [batch · n or 1, dims[l]]. */
  function prior(l: number, given: tf.Tensor2D | undefined): Gaussian {
    const network = priors[l];
    return network === undefined ? standardNormal(dims[l]!) : gaussianFrom(network.apply(given!));
  }

  /** The code of each level, given the codes above it: of the image [batch, dim], of its cells [batch · n, dim]. */
  function infer({ x, c }: Pick<Examples, 'x' | 'c'>, sample: Sampler): Inferred[] {
    const rows: tf.Tensor2D = tf.reshape(x, [-1, channels]);
    const ofCells = rowsOf(c);
    const q1 = posteriorOfImage(rows, ofCells, c);
    const z1 = sample(q1);
    const inferred: Inferred[] = [{ q: q1, p: prior(0, ofImage(c)), z: z1 }];
    let given = sideBySide(forCells(z1, count(c)), ofCells)!;
    for (let l = 1; l < dims.length; l++) {
      const q = gaussianFrom(posteriors[l]!.apply(rows, given));
      const z = sample(q);
      inferred.push({ q, p: prior(l, given), z });
      given = sideBySide(z, given)!;
    }
    return inferred;
  }

  /** The complete code, with the lower levels taken from their priors. @param upper codes of the upper levels below z1 */
  function descend([z1, ...upper]: CellCodes, c: tf.Tensor2D | undefined, sample: Sampler): tf.Tensor2D {
    const n = count(c);
    const below = [...upper];
    let given = sideBySide(...[...below].reverse(), forCells(z1, n), rowsOf(c))!;
    for (let l = below.length + 1; l < dims.length; l++) {
      const z = sample(prior(l, given));
      below.push(z);
      given = sideBySide(z, given)!;
    }
    return sideBySideCodes([z1, ...below], n);
  }

  /** The mean of p(x|z,c). Shape [batch, n · channels]. */
  function decode(code: tf.Tensor2D, c: tf.Tensor2D | undefined): tf.Tensor2D {
    const n = count(c);
    const [z1, ...below] = levelsOf(code, n);
    const given = sideBySide(forCells(z1, n), rowsOf(c))!;
    return toImages(decoder.apply(sideBySide(...below.reverse(), given)!), n);
  }

  /** −log p(z|c) of each level, and its deviance. */
  function priorTerms(code: tf.Tensor2D, c: tf.Tensor2D | undefined): PriorTerms {
    const n = count(c);
    const [z1, ...below] = levelsOf(code, n);
    let given = sideBySide(forCells(z1, n), rowsOf(c))!;
    const terms = [gaussianTerms(z1, prior(0, ofImage(c)))];
    below.forEach((z, i) => {
      const own = gaussianTerms(z, prior(i + 1, given));
      terms.push({
        negativeLogPrior: toImages(own.negativeLogPrior, n),
        priorDeviance: toImages(own.priorDeviance, n),
      });
      given = sideBySide(z, given)!;
    });
    return {
      negativeLogPrior: sideBySide(...terms.map(({ negativeLogPrior }) => negativeLogPrior))!,
      priorDeviance: sideBySide(...terms.map(({ priorDeviance }) => priorDeviance))!,
    };
  }

  const draw = (total: number, c: tf.Tensor2D | undefined, noise: Random, temperature: number): tf.Tensor2D =>
    descend([drawGaussian(prior(0, ofImage(c)), total, noise, temperature)], c, (p) =>
      drawGaussian(p, total * count(c), noise, temperature),
    );

  return { infer, descend, decode, priorTerms, draw };
}

const atMeans: Sampler = ({ mean }) => mean;

const codesOf = (inferred: readonly Inferred[]): CellCodes =>
  inferred.map(({ z }) => z) as [tf.Tensor2D, ...tf.Tensor2D[]];

/**
 * @param spec of images with `length` cells. Their conditions are those of the image, followed by the places of its cells,
 * `placeDim` numbers each
 */
export function createImageHvae(spec: Spec, random: Random): Model {
  const { levels: dims, levelWeights, levelFreeBits, llrLevels, channels, length } = spec;
  const conditionDim = spec.conditionDim - placeDim * length;
  const cells = createImageCells(conditionDim, dims);
  const networks = createNetworks(spec, conditionDim, random);
  const ofCell = createLikelihood({ ...spec, length: 1, conditionDim: conditionDim + placeDim }, random);
  const likelihood = likelihoodOfCells(ofCell, channels, cells);
  const { infer, descend, decode, priorTerms, draw } = createHierarchy(networks, spec, cells);

  const negativeElbo: NegativeElbo = (examples, sample) => {
    const n = cells.count(examples.c);
    const inferred = infer(examples, sample);
    const output = decode(sideBySideCodes(codesOf(inferred), n), examples.c);
    const distortion = likelihood.negativeLogLikelihood(examples, output).sum(1).mean();
    /** Number of times that a level counts in an image: a level of cells counts once per cell. */
    const times = (l: number): number => (l === 0 ? 1 : n);
    const rates = inferred.map(({ q, p }) => klPerDimension(q, p));
    const weighted = rates.map((rate, l) =>
      rateAboveFreeBits(rate, levelFreeBits[l] ?? 0).mul((levelWeights[l] ?? 1) * times(l)),
    );
    const rate = sumOf(rates.map((own, l) => meanRate(own).mul(times(l))));
    return { loss: distortion.add(sumOf(weighted)), distortion, rate };
  };

  const { statistic, posteriors, priors, decoder } = networks;
  const model = createLatentModel({
    spec,
    networks: [statistic, ...posteriors, ...priors, decoder, likelihood].filter((part) => part !== undefined),
    latentDims: dims.map((dim, l) => (l === 0 ? dim : dim * length)),
    likelihood,
    encode: (examples) => sideBySideCodes(codesOf(infer(examples, atMeans)), cells.count(examples.c)),
    decode,
    priorTerms,
    drawCodes: draw,
  });

  /** L(x) − L^{>k}(x), both at the means; the KL of the upper k levels is in both. Shape [batch]. */
  function logLikelihoodRatio(
    examples: Examples,
    inferred: readonly Inferred[],
    distortion: tf.Tensor2D,
  ): tf.Tensor1D {
    const fromTop = descend(codesOf(inferred.slice(0, llrLevels)), examples.c, atMeans);
    const topDistortion = likelihood.negativeLogLikelihood(examples, decode(fromTop, examples.c));
    const lowerRates = inferred
      .slice(llrLevels)
      .map(({ q, p }) => tf.sum<tf.Tensor1D>(toImages(klPerDimension(q, p), cells.count(examples.c)), 1));
    return tf.sum<tf.Tensor1D>(topDistortion.sub(distortion), 1).sub(sumOf(lowerRates));
  }

  return {
    ...model,
    ...trainByElbo(model.weights, negativeElbo),
    warmUpSteps: 0,
    statistics: [...model.statistics, 'llr'],
    assess(examples) {
      const inferred = infer(examples, atMeans);
      const code = sideBySideCodes(codesOf(inferred), cells.count(examples.c));
      const assessment = assessmentOf(model.negativeLogJoint(code, examples));
      const llr = logLikelihoodRatio(examples, inferred, assessment.distortion);
      return { ...assessment, statistics: { ...assessment.statistics, llr } };
    },
    activity: (examples) =>
      infer(examples, atMeans).map(({ q, p }, l) => {
        const rates = klPerDimension(q, p);
        return (l === 0 ? rates : toImages(rates, cells.count(examples.c))).mean(0);
      }),
  };
}

/** The same model with the same weights, for images of `cells` cells. */
export function withCells(model: Model, cells: number): Model {
  const { spec, latentDims } = model;
  const conditionDim = spec.conditionDim + (cells - spec.length) * placeDim;
  return {
    ...model,
    spec: { ...spec, length: cells, width: 1, conditionDim },
    latentDims: latentDims.map((dim, l) => (l === 0 ? dim : (dim / spec.length) * cells)),
  };
}
