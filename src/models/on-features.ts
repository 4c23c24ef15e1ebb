/**
 * A model of the features of an image instead of its pixels. It reads and returns values of pixels, as a model of pixels does:
 * features are computed first, and the nats of a cell are distributed over its pixels. What it has inside is a model of the kind
 * that is configured: of all cells of an image together, or of each cell by itself, given its place.
 */
import { matMul, scoped, tf, type Random } from '../tensor';
import { createFeatures, type FeatureStage } from './features';
import { createGrid } from './grid';
import type { Assessment, Examples, Model, ModelSpec, NegativeLogJoint, WindowArrays } from './model';
import { createVariable, sideBySide, type Weights } from './network';
import { findCoreset, findTypical } from './typical';

/** Coordinates of a cell, which are conditions of a model of single cells. */
const placeDim = 2;

/** The spec of the model inside. */
export function innerSpec<Spec extends ModelSpec>(spec: Spec, { grid, channels }: FeatureStage): Spec {
  const cells = grid.down * grid.across;
  const own = { ...spec, features: 'pixels' as const, channels };
  return spec.patches === true
    ? { ...own, length: 1, width: 1, conditionDim: spec.conditionDim + placeDim }
    : { ...own, length: cells, width: grid.across };
}

/** Values of images whose features are computed at once: bounds memory. */
const valuesAtOnce = 100_000;
const rowsAtOnce = (dim: number): number => Math.max(1, Math.floor(valuesAtOnce / dim));

/** A feature that hardly varies in training has this share of the mean variance. */
const leastShare = 0.01;
/** Of identical images features vary by rounding alone. */
const leastVariance = 1e-6;

/**
 * @param spec of images, with `features`
 * @param createInner creates the model inside; its weights become those of the result
 */
export function onFeatures<Spec extends ModelSpec>(spec: Spec, createInner: (spec: Spec) => Model): Model {
  const stage = createFeatures(spec);
  const { grid, channels } = stage;
  const inner = createInner(innerSpec(spec, stage));
  const colours = spec.channels;
  const pixels = spec.length;
  const dim = pixels * colours;
  const cells = grid.down * grid.across;
  const values = cells * channels;
  /** Examples of the model inside in an image. */
  const parts = spec.patches === true ? cells : 1;
  const partDim = values / parts;
  const codeDim = inner.latentDims.reduce((sum, one) => sum + one, 0);
  const { bank = 0 } = spec;

  const each = (size: number, value: number): tf.Variable => createVariable(() => tf.fill([size], value));
  /** Learned from the training images in one pass. Cells by themselves have one centre and scale for each feature. */
  const learned = {
    centre: each(partDim, 0),
    scale: each(partDim, 1),
    /** The mean image. */
    mean: each(dim, 0),
  };
  /** Typical parts. Shape [partDim, bank]. */
  const typical = bank > 0 ? createVariable(() => tf.zeros([partDim, bank])) : undefined;
  const weights: Weights = new Map([
    ...[...stage.weights].map(([name, variable]) => [`backbone/${name}`, variable] as const),
    ...Object.entries(learned).map(([name, variable]) => [`features/${name}/bias`, variable] as const),
    ...(typical === undefined ? [] : [['features/typical/kernel', typical] as const]),
    ...inner.weights,
  ]);

  /** Standardised. Shape [batch · parts, partDim]. */
  const featuresOf = (x: tf.Tensor2D): tf.Tensor2D =>
    tf.reshape<tf.Rank.R2>(stage.apply(x), [-1, partDim]).sub(learned.centre).div(learned.scale);

  /** A cell with a masked pixel is masked. */
  function maskOf(mask: tf.Tensor2D): tf.Tensor2D {
    const seen = tf.min(tf.reshape(mask, [-1, pixels, colours]), 2);
    const images = tf.reshape<tf.Rank.R4>(seen, [-1, 1, grid.height, grid.width]);
    const whole = tf.greater<tf.Tensor4D>(createGrid(grid).mean(images), 0.999);
    const ofCells = tf.reshape(tf.cast(whole, 'float32'), [-1, cells, 1]);
    return tf.reshape(tf.tile(ofCells, [1, 1, channels]), [-1, partDim]);
  }

  /** The conditions of each part: those of its image, and its place. */
  function conditionsOf(c: tf.Tensor2D | undefined, features: tf.Tensor2D): tf.Tensor2D | undefined {
    if (parts === 1) return c;
    const repeated =
      c && tf.reshape<tf.Rank.R2>(tf.tile(tf.expandDims(c, 1), [1, parts, 1]), [-1, spec.conditionDim]);
    // Zeros of the batch's size, to which the places are added.
    const zeros = tf.slice(features, [0, 0], [-1, placeDim]).mul(0);
    const ofAll = tf.reshape(zeros, [-1, parts, placeDim]).add(tf.reshape(places(), [1, parts, placeDim]));
    return sideBySide(repeated, tf.reshape(ofAll, [-1, placeDim]));
  }

  /** From −1 to 1. Shape [parts, placeDim]. */
  function places(): tf.Tensor2D {
    const along = (at: number, count: number): number => (2 * (at + 0.5)) / count - 1;
    const rows = Array.from({ length: parts }, (_, i) => [
      along(i % grid.across, grid.across),
      along(Math.floor(i / grid.across), grid.down),
    ]);
    return tf.tensor2d(rows, [parts, placeDim]);
  }

  function toParts({ x, mask, c }: Examples): Examples {
    const features = featuresOf(x);
    return { x: features, mask: maskOf(mask), c: conditionsOf(c, features) };
  }

  /** The same of whole images, of which no pixel is masked. */
  function toSeenParts({ x, c }: Examples): Examples {
    const features = featuresOf(x);
    return { x: features, mask: features.mul(0).add(1), c: conditionsOf(c, features) };
  }

  /** Of each feature to each cell. Shape [batch · parts, partDim] → [batch, cells]. */
  const ofCells = (perValue: tf.Tensor2D): tf.Tensor2D =>
    tf.sum<tf.Tensor2D>(tf.reshape(perValue, [-1, cells, channels]), 2);

  /** Of each feature to each value of the image; keeps the sum. */
  function toPixels(perValue: tf.Tensor2D): tf.Tensor2D {
    const ofPixels = createGrid(grid).spread(ofCells(perValue));
    if (colours === 1) return ofPixels;
    return tf.reshape(tf.tile(tf.reshape(ofPixels.div(colours), [-1, pixels, 1]), [1, 1, colours]), [
      -1,
      dim,
    ]);
  }

  /** Features have no pixels: the mean image stands for the expected ones. */
  const valuesOnPixels = (
    of: Pick<NegativeLogJoint, 'distortion' | 'deviance'>,
    x: tf.Tensor2D,
  ): Pick<NegativeLogJoint, 'distortion' | 'deviance' | 'expected'> => ({
    distortion: toPixels(of.distortion),
    deviance: toPixels(of.deviance),
    expected: x.mul(0).add(learned.mean),
  });

  /** Squared distance of each part to the nearest typical one, by the number of its features. Shape [batch, parts]. */
  function distances(features: tf.Tensor2D): tf.Tensor2D {
    const bankOf = typical as unknown as tf.Tensor2D;
    const squares = tf.sum<tf.Tensor2D>(bankOf.square(), 0, true);
    const least = tf.min<tf.Tensor1D>(squares.sub(matMul(features, bankOf).mul(2)), 1);
    const squared = tf.sum<tf.Tensor1D>(features.square(), 1).add(least).relu();
    return tf.reshape(squared.div(partDim), [-1, parts]);
  }

  /**
   * Of cells of an object the worst one. Of those of a surface the mean of their fourth powers, to which the worst few
   * contribute most: a defect is seldom in one cell alone, and the worst of many normal cells varies.
   */
  function worst(ofEach: tf.Tensor2D): tf.Tensor1D {
    if (parts === 1) return tf.max(ofEach, 1);
    // A sum, not a mean, whose last bits would depend on the place of the image in its batch (onnx/operators.ts).
    const sum = tf.sum<tf.Tensor1D>(ofEach.square().square(), 1);
    return sum.div(cells).sqrt().sqrt();
  }

  /** Images are scored whole; masks are those of explanations. */
  function assess(examples: Examples): Assessment {
    const given = toSeenParts(examples);
    const assessed = inner.assess(given);
    const statistics = Object.entries(assessed.statistics).map(([name, values]) => [
      name,
      parts === 1 ? values : tf.sum<tf.Tensor1D>(tf.reshape(values, [-1, parts]), 1),
    ]);
    return {
      statistics: {
        ...(Object.fromEntries(statistics) as Assessment['statistics']),
        patch: worst(ofCells(assessed.deviance)),
        ...(typical && { bank: worst(distances(given.x)) }),
      },
      ...valuesOnPixels(assessed, examples.x),
    };
  }

  /**
   * Of the cells of an image together one scale: what hardly varies at one place stays small. Of cells by themselves one for each
   * feature, whose units differ.
   */
  function scalesOf(variances: Float64Array): Float64Array {
    const whole = variances.reduce((sum, variance) => sum + variance / partDim, 0);
    const least = Math.max(leastVariance, leastShare * whole);
    return variances.map((variance) =>
      Math.sqrt(parts === 1 ? Math.max(whole, least) : Math.max(variance, least)),
    );
  }

  function prepare(windows: Iterable<WindowArrays>, images: number, random: Random): void {
    const ofStage = new Float32Array(images * values);
    const mean = new Float64Array(dim);
    let image = 0;
    for (const { x, count } of windows) {
      for (let i = 0; i < count * dim; i++) mean[i % dim]! += x[i]! / images;
      for (let from = 0; from < count; from += rowsAtOnce(dim)) {
        const rows = Math.min(rowsAtOnce(dim), count - from);
        const part = x.slice(from * dim, (from + rows) * dim);
        scoped(() =>
          ofStage.set(stage.apply(tf.tensor2d(part, [rows, dim])).dataSync(), (image + from) * values),
        );
      }
      image += count;
    }
    const moments = momentsOf(ofStage, partDim);
    const scale = scalesOf(moments.variance);
    assign(learned.centre, moments.mean);
    assign(learned.scale, scale);
    assign(learned.mean, mean);
    if (typical === undefined) return;
    // In place: they may be hundreds of megabytes.
    ofStage.forEach((value, i) => {
      ofStage[i] = (value - moments.mean[i % partDim]!) / scale[i % partDim]!;
    });
    // The mean of similar cells is smoother than each of them; images are too different for a coreset, which would be the oddest ones.
    const find = parts === 1 ? findTypical : findCoreset;
    assign(typical, find(ofStage, partDim, bank, random));
  }

  // What the model inside solves is not of images.
  // eslint-disable-next-line @typescript-eslint/no-unused-vars
  const { solve, ...others } = inner;
  return {
    ...others,
    spec,
    weights,
    latentDims: parts === 1 ? inner.latentDims : [parts * codeDim],
    statistics: [...inner.statistics, 'patch', ...(typical === undefined ? [] : ['bank'])],
    phases: inner.phases.map((phase) => ({
      ...phase,
      loss: (examples, random, step) => phase.loss(toParts(examples), random, step),
    })),
    validationLoss: (examples) => inner.validationLoss(toParts(examples)),
    activity(examples) {
      const activity = inner.activity(toParts(examples));
      return parts === 1 ? activity : [tf.tile(tf.concat([...activity]), [parts])];
    },
    encode: (examples) => tf.reshape(inner.encode(toParts(examples)), [-1, parts * codeDim]),
    assess,
    negativeLogJoint(code, examples) {
      const of = inner.negativeLogJoint(tf.reshape(code, [-1, codeDim]), toParts(examples));
      const ofImages = (perCode: tf.Tensor2D): tf.Tensor2D => tf.reshape(perCode, [-1, parts * codeDim]);
      return {
        ...valuesOnPixels(of, examples.x),
        negativeLogPrior: ofImages(of.negativeLogPrior),
        priorDeviance: ofImages(of.priorDeviance),
      };
    },
    generate() {
      throw new Error('a model of features cannot draw images: model.features must be pixels');
    },
    ...(stage.weights.size > 0 && { frozen: stage.weights }),
    prepare,
    inside: {
      model: inner,
      parts,
      read({ x, mask, c, count }) {
        const read = { x: new Float32Array(count * values), mask: new Float32Array(count * values) };
        const innerConditions = inner.spec.conditionDim;
        const conditions = new Float32Array(count * parts * innerConditions);
        for (let from = 0; from < count; from += rowsAtOnce(dim)) {
          const rows = Math.min(rowsAtOnce(dim), count - from);
          const part = (all: Float32Array, width: number): tf.Tensor2D =>
            tf.tensor2d(all.slice(from * width, (from + rows) * width), [rows, width]);
          scoped(() => {
            const given = toParts({
              x: part(x, dim),
              mask: part(mask, dim),
              c: spec.conditionDim === 0 ? undefined : part(c, spec.conditionDim),
            });
            read.x.set(given.x.dataSync(), from * values);
            read.mask.set(given.mask.dataSync(), from * values);
            if (given.c !== undefined) conditions.set(given.c.dataSync(), from * parts * innerConditions);
          });
        }
        return { ...read, c: conditions, count: count * parts };
      },
    },
  };
}

function assign(variable: tf.Variable, values: Float32Array | Float64Array): void {
  scoped(() => variable.assign(tf.tensor(Float32Array.from(values), variable.shape)));
}

/** Mean and variance of each column. */
function momentsOf(values: Float32Array, columns: number): { mean: Float64Array; variance: Float64Array } {
  const rows = values.length / columns;
  const mean = new Float64Array(columns);
  const variance = new Float64Array(columns);
  values.forEach((value, i) => (mean[i % columns]! += value / rows));
  values.forEach((value, i) => (variance[i % columns]! += (value - mean[i % columns]!) ** 2 / rows));
  return { mean, variance };
}
