/**
 * The hierarchical VAE of an image of n cells: z1 describes the image, z2_i … zL_i its cell i, given their place c_i and the conditions:
 *   q(z|x) = q(z1|x) Π_i q(z2_i|x_i,z1) …      p(x,z) = p(z1) Π_i p(z2_i|z1) … p(x_i|z1,z2_i,…)
 *   −ELBO(x) = E_q[ −Σ_i log p(x_i|z) ] + w_1·KL( q(z1|x) ‖ p(z1) ) + Σ_l w_l·Σ_i KL( q(zl_i|x_i,z<l) ‖ p(zl_i|z<l) )
 * As in the neural statistician (Edwards & Storkey 2017, eq. 3–6), q(z1|x) reads the mean of a network over the cells, and does not
 * depend on their number: a training may read some cells of an image. LLR(x) = L(x) − L^{>k}(x) (Havtorn 2021) with the codes of
 * cells taken from p(z2_i|z1) is large for an image whose cells are usual, but not together.
 */
import { matMul, tf, type Random } from '../tensor';
import { gaussianTerms, trainByElbo, type NegativeElbo, type Sampler } from './elbo';
import {
  drawGaussian,
  gaussianFrom,
  klPerDimension,
  standardNormal,
  type Gaussian,
  type Inferred,
} from './gaussian';
import { assessmentOf, createLatentModel } from './latent-model';
import { createLikelihood, type Likelihood } from './likelihood';
import type { Examples, Model, ModelSpec } from './model';
import { createMlp, sideBySide } from './network';
import { meanRate, rateAboveFreeBits, sumOf } from './rate';

/** Coordinates of a cell. */
export const placeDim = 2;

interface Options {
  levels: readonly number[];
  levelWeights: readonly number[];
  levelFreeBits: readonly number[];
  llrLevels: number;
}

/**
 * @param spec of images of `length` cells. Their conditions are those of the image, then the places of its cells, of which there are
 * `placeDim` numbers each
 */
export function createImageHvae(spec: ModelSpec & Options, random: Random): Model {
  const { levels: dims, levelWeights, levelFreeBits, llrLevels, channels, hidden, length } = spec;
  const conditionDim = spec.conditionDim - placeDim * length;
  const width = hidden.at(-1)!;
  /** Width of the inputs for a cell besides its features: its place, the conditions, and the codes above level l. */
  const givenDims = dims.map((_, l) =>
    dims.slice(0, l).reduce((sum, dim) => sum + dim, conditionDim + placeDim),
  );
  const latentDim = dims.reduce((sum, dim) => sum + dim, 0);
  const mlp = (name: string, ...sizes: number[]) => createMlp({ name, sizes, random });
  const statistic = mlp('statistic', channels + givenDims[0]!, ...hidden);
  const posteriors = dims.map((dim, l) =>
    l === 0
      ? mlp('posterior/1', width + conditionDim, width, 2 * dim)
      : mlp(`posterior/${l + 1}`, channels + givenDims[l]!, ...hidden, 2 * dim),
  );
  // Nothing is above z1: without conditions its prior is N(0, I).
  const priors = dims.map((dim, l) => {
    const given = l === 0 ? conditionDim : givenDims[l]!;
    return given === 0 ? undefined : mlp(`prior/${l + 1}`, given, width, 2 * dim);
  });
  const decoder = mlp('decoder', latentDim + conditionDim + placeDim, ...[...hidden].reverse(), channels);
  const ofCell = createLikelihood({ ...spec, length: 1, conditionDim: conditionDim + placeDim }, random);
  const likelihood = ofCells(ofCell, channels, rowsOf);

  const cellsIn = ({ x }: Pick<Examples, 'x'>): number => x.shape[1] / channels;

  /** The conditions of images. Shape [batch, conditionDim]; undefined if there are none. */
  const ofImage = (c: tf.Tensor2D | undefined): tf.Tensor2D | undefined =>
    conditionDim === 0 ? undefined : tf.slice(c!, [0, 0], [-1, conditionDim]);

  /** The conditions of cells. [batch, conditionDim + n · placeDim] → [batch · n, conditionDim + placeDim]. */
  function rowsOf(c: tf.Tensor2D | undefined): tf.Tensor2D {
    const cells = (c!.shape[1] - conditionDim) / placeDim;
    const places = tf.reshape<tf.Rank.R2>(tf.slice(c!, [0, conditionDim], [-1, cells * placeDim]), [
      -1,
      placeDim,
    ]);
    const image = ofImage(c);
    const repeated =
      image && tf.reshape<tf.Rank.R2>(tf.tile(tf.expandDims(image, 1), [1, cells, 1]), [-1, conditionDim]);
    return sideBySide(repeated, places)!;
  }

  /** The code of each image for each of its cells. A product with copies of I has a fast gradient. */
  const forCells = (z: tf.Tensor2D, cells: number): tf.Tensor2D =>
    tf.reshape(matMul(z, tf.tile(tf.eye(z.shape[1]), [1, cells])), [-1, z.shape[1]]);

  /** [batch · n, dim] → [batch, n · dim]. */
  const toImages = (rows: tf.Tensor2D, cells: number): tf.Tensor2D =>
    tf.reshape(rows, [-1, cells * rows.shape[1]]);

  function posteriorOfImage(examples: Examples, rows: tf.Tensor2D, c: tf.Tensor2D): Gaussian {
    const cells = cellsIn(examples);
    const each = tf.reshape<tf.Rank.R3>(statistic.apply(rows, c), [-1, cells, width]);
    const mean = tf.sum<tf.Tensor2D>(each, 1).div(cells).relu();
    return gaussianFrom(posteriors[0]!.apply(mean, ofImage(examples.c)));
  }

  /** p(z1|c), or p(zl_i|z<l,c_i) of the cells. Shape [batch · n or 1, dims[l]]. */
  function prior(l: number, given: tf.Tensor2D | undefined): Gaussian {
    const network = priors[l];
    return network === undefined ? standardNormal(dims[l]!) : gaussianFrom(network.apply(given!));
  }

  /** The code of each level, given those above it: of the image [batch, dim], of its cells [batch · n, dim]. */
  function infer(examples: Examples, sample: Sampler): Inferred[] {
    const rows: tf.Tensor2D = tf.reshape(examples.x, [-1, channels]);
    const c = rowsOf(examples.c);
    const q1 = posteriorOfImage(examples, rows, c);
    const z1 = sample(q1);
    const inferred: Inferred[] = [{ q: q1, p: prior(0, ofImage(examples.c)), z: z1 }];
    let given = sideBySide(forCells(z1, cellsIn(examples)), c)!;
    for (let l = 1; l < dims.length; l++) {
      const q = gaussianFrom(posteriors[l]!.apply(rows, given));
      const z = sample(q);
      inferred.push({ q, p: prior(l, given), z });
      given = sideBySide(z, given)!;
    }
    return inferred;
  }

  /** @param of the codes of each level of cells */
  const decodeRows = (of: readonly tf.Tensor2D[], given: tf.Tensor2D): tf.Tensor2D =>
    decoder.apply(sideBySide(...[...of].reverse(), given)!);

  /** Codes side by side → those of the image, and of its cells on each level below. */
  function levelsOf(code: tf.Tensor2D, cells: number): [tf.Tensor2D, ...tf.Tensor2D[]] {
    let from = 0;
    return dims.map((dim, l) => {
      const own = l === 0 ? dim : dim * cells;
      const part = tf.slice(code, [0, (from += own) - own], [-1, own]);
      return l === 0 ? part : tf.reshape<tf.Rank.R2>(part, [-1, dim]);
    }) as [tf.Tensor2D, ...tf.Tensor2D[]];
  }

  const cellsOf = (c: tf.Tensor2D | undefined): number => (c!.shape[1] - conditionDim) / placeDim;

  function decode(code: tf.Tensor2D, c: tf.Tensor2D | undefined): tf.Tensor2D {
    const cells = cellsOf(c);
    const [z1, ...below] = levelsOf(code, cells);
    return toImages(decodeRows(below, sideBySide(forCells(z1, cells), rowsOf(c))!), cells);
  }

  const codeOf = (inferred: readonly Inferred[], cells: number): tf.Tensor2D =>
    sideBySide(...inferred.map(({ z }, l) => (l === 0 ? z : toImages(z, cells))))!;

  /** The code below the upper levels taken from the priors. @param upper the codes of these levels, that of the image first */
  function descend(upper: readonly tf.Tensor2D[], c: tf.Tensor2D | undefined, sample: Sampler): tf.Tensor2D {
    const cells = cellsOf(c);
    const [z1, ...below] = upper;
    let given = sideBySide(...[...below].reverse(), forCells(z1!, cells), rowsOf(c))!;
    for (let l = upper.length; l < dims.length; l++) {
      const z = sample(prior(l, given));
      below.push(z);
      given = sideBySide(z, given)!;
    }
    return sideBySide(z1, ...below.map((z) => toImages(z, cells)))!;
  }

  const negativeElbo: NegativeElbo = (examples, sample) => {
    const cells = cellsIn(examples);
    const inferred = infer(examples, sample);
    const output = decode(codeOf(inferred, cells), examples.c);
    const distortion = likelihood.negativeLogLikelihood(examples, output).sum(1).mean();
    /** Of an image: a level of cells has the sum over them. */
    const times = (l: number): number => (l === 0 ? 1 : cells);
    const rates = inferred.map(({ q, p }) => klPerDimension(q, p));
    const weighted = rates.map((rate, l) =>
      rateAboveFreeBits(rate, levelFreeBits[l] ?? 0).mul((levelWeights[l] ?? 1) * times(l)),
    );
    const rate = sumOf(rates.map((own, l) => meanRate(own).mul(times(l))));
    return { loss: distortion.add(sumOf(weighted)), distortion, rate };
  };

  const model = createLatentModel({
    spec,
    networks: [statistic, ...posteriors, ...priors, decoder, likelihood].filter((part) => part !== undefined),
    latentDims: dims.map((dim, l) => (l === 0 ? dim : dim * length)),
    likelihood,
    encode: (examples) =>
      codeOf(
        infer(examples, ({ mean }) => mean),
        cellsIn(examples),
      ),
    decode,
    priorTerms(code, c) {
      const cells = cellsOf(c);
      const [z1, ...below] = levelsOf(code, cells);
      let given = sideBySide(forCells(z1, cells), rowsOf(c))!;
      const terms = [gaussianTerms(z1, prior(0, ofImage(c)))];
      below.forEach((z, i) => {
        const own = gaussianTerms(z, prior(i + 1, given));
        terms.push({
          negativeLogPrior: toImages(own.negativeLogPrior, cells),
          priorDeviance: toImages(own.priorDeviance, cells),
        });
        given = sideBySide(z, given)!;
      });
      return {
        negativeLogPrior: sideBySide(...terms.map(({ negativeLogPrior }) => negativeLogPrior))!,
        priorDeviance: sideBySide(...terms.map(({ priorDeviance }) => priorDeviance))!,
      };
    },
    drawCodes(count, c, noise, temperature) {
      const z1 = drawGaussian(prior(0, ofImage(c)), count, noise, temperature);
      return descend([z1], c, (p) => drawGaussian(p, count * cellsOf(c), noise, temperature));
    },
  });

  /** L(x) − L^{>k}(x), both at the means; the KL of the upper k levels is in both. Shape [batch]. */
  function logLikelihoodRatio(
    examples: Examples,
    inferred: readonly Inferred[],
    distortion: tf.Tensor2D,
  ): tf.Tensor1D {
    const upper = inferred.slice(0, llrLevels).map(({ z }) => z);
    const fromTop = descend(upper, examples.c, ({ mean }) => mean);
    const topDistortion = likelihood.negativeLogLikelihood(examples, decode(fromTop, examples.c));
    const lowerRates = inferred
      .slice(llrLevels)
      .map(({ q, p }) => tf.sum<tf.Tensor1D>(toImages(klPerDimension(q, p), cellsIn(examples)), 1));
    return tf.sum<tf.Tensor1D>(topDistortion.sub(distortion), 1).sub(sumOf(lowerRates));
  }

  return {
    ...model,
    ...trainByElbo(model.weights, negativeElbo),
    warmUpSteps: 0,
    statistics: [...model.statistics, 'llr'],
    assess(examples) {
      const inferred = infer(examples, ({ mean }) => mean);
      const code = codeOf(inferred, cellsIn(examples));
      const assessment = assessmentOf(model.negativeLogJoint(code, examples));
      const llr = logLikelihoodRatio(examples, inferred, assessment.distortion);
      return { ...assessment, statistics: { ...assessment.statistics, llr } };
    },
    activity: (examples) =>
      infer(examples, ({ mean }) => mean).map(({ q, p }, l) => {
        const rates = klPerDimension(q, p);
        return (l === 0 ? rates : toImages(rates, cellsIn(examples))).mean(0);
      }),
  };
}

/** The same model with the same weights, of images of `cells` cells. */
export function withCells(model: Model, cells: number): Model {
  const { spec, latentDims } = model;
  const conditionDim = spec.conditionDim + (cells - spec.length) * placeDim;
  return {
    ...model,
    spec: { ...spec, length: cells, width: 1, conditionDim },
    latentDims: latentDims.map((dim, l) => (l === 0 ? dim : (dim / spec.length) * cells)),
  };
}

/** A likelihood of single cells as one of images of them. */
function ofCells(
  { weights, ...ofCell }: Likelihood,
  channels: number,
  rowsOf: (c: tf.Tensor2D | undefined) => tf.Tensor2D,
): Likelihood {
  const rows = (of: tf.Tensor2D): tf.Tensor2D => tf.reshape(of, [-1, channels]);
  const toRows = ({ x, mask, c }: Examples): Examples => ({ x: rows(x), mask: rows(mask), c: rowsOf(c) });
  const term =
    (name: 'negativeLogLikelihood' | 'deviance'): Likelihood['deviance'] =>
    (examples, output) =>
      tf.reshape(ofCell[name](toRows(examples), rows(output)), [-1, examples.x.shape[1]]);
  return {
    weights,
    negativeLogLikelihood: term('negativeLogLikelihood'),
    deviance: term('deviance'),
    mean: (output) => ofCell.mean(output),
  };
}
