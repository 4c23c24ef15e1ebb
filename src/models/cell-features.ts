/**
 * The features y of an image, standardised: y = (f(x) − m) / s, with m and s of the training images. Features that share a
 * scale and a bank form a vector: those of one cell or, for objects that always lie alike, those of all cells of an image
 * together.
 */
import { scoped, tf } from '../tensor';
import { createFeatures, type FeatureMap, type FeatureStage } from './features';
import type { ModelSpec, WindowArrays } from './model';
import { createVariable, type Weights } from './network';

/** Number of image values whose features are computed at once: bounds memory. */
const valuesAtOnce = 100_000;

/** Smallest variance of a feature, as a share of the mean variance. */
const leastShare = 0.01;

/** Smallest variance of a feature: features of identical images vary by rounding errors alone. */
const leastVariance = 1e-6;

/** The sizes of an image and of its features. */
export interface CellShape extends Pick<FeatureStage, 'grid' | 'channels'> {
  pixels: number;
  /** Values of a pixel. */
  colours: number;
  /** Values of an image: pixels · colours. */
  dim: number;
  cells: number;
  /** Features of an image: cells · channels. */
  values: number;
  /** Whether cells are of one kind, each with its own vector; otherwise all cells of an image form one vector. */
  alike: boolean;
  /** Number of vectors of an image, and number of features of a vector. */
  vectors: number;
  vectorDim: number;
}

export interface CellFeatures {
  readonly shape: CellShape;
  /** Range of the features of each map within a vector. */
  readonly maps: readonly FeatureMap[];
  readonly weights: Weights;
  /** The weights of the backbone, by their own names. */
  readonly frozen: Weights;
  /** The mean image. Shape [dim]. */
  readonly mean: tf.Variable;
  /** Images, shape [batch, dim] → y, shape [batch · vectors, vectorDim]. */
  of(x: tf.Tensor2D): tf.Tensor2D;
  /** Learns m, s and the mean image from `images` images. @returns their y, shape [images · vectors, vectorDim] */
  learn(windows: Iterable<WindowArrays>, images: number): Float32Array;
}

/** @param spec of images, with `features` */
export function createCellFeatures(spec: ModelSpec): CellFeatures {
  const stage = createFeatures(spec);
  const shape = shapeOf(spec, stage);
  const { dim, values, vectorDim, alike } = shape;
  const each = (size: number, value: number): tf.Variable => createVariable(() => tf.fill([size], value));
  const learned = { centre: each(vectorDim, 0), scale: each(vectorDim, 1), mean: each(dim, 0) };

  /**
   * For single cells, one scale per feature, as their units differ. For all cells together, one common scale, so that features
   * that hardly vary at one place stay small.
   */
  function scalesOf(variances: Float64Array): Float64Array {
    const whole = variances.reduce((sum, variance) => sum + variance / vectorDim, 0);
    const least = Math.max(leastVariance, leastShare * whole);
    return variances.map((variance) =>
      Math.sqrt(!alike ? Math.max(whole, least) : Math.max(variance, least)),
    );
  }

  /** f(x) of all images, and the mean image. */
  function readAll(windows: Iterable<WindowArrays>, images: number): [Float32Array, Float64Array] {
    const features = new Float32Array(images * values);
    const mean = new Float64Array(dim);
    let image = 0;
    for (const { x, count } of windows) {
      for (let i = 0; i < count * dim; i++) mean[i % dim]! += x[i]! / images;
      for (const [from, rows] of batches(count, dim)) {
        const part = x.slice(from * dim, (from + rows) * dim);
        scoped(() =>
          features.set(stage.apply(tf.tensor2d(part, [rows, dim])).dataSync(), (image + from) * values),
        );
      }
      image += count;
    }
    return [features, mean];
  }

  return {
    shape,
    // Each map has its own bank.
    maps: alike ? stage.maps : [{ from: 0, size: vectorDim }],
    weights: new Map([
      ...[...stage.weights].map(([name, variable]) => [`backbone/${name}`, variable] as const),
      ...Object.entries(learned).map(([name, variable]) => [`features/${name}/bias`, variable] as const),
    ]),
    frozen: stage.weights,
    mean: learned.mean,
    of: (x) => tf.reshape<tf.Rank.R2>(stage.apply(x), [-1, vectorDim]).sub(learned.centre).div(learned.scale),
    learn(windows, images) {
      const [features, mean] = readAll(windows, images);
      const moments = momentsOf(features, vectorDim);
      const scale = scalesOf(moments.variance);
      assign(learned.centre, moments.mean);
      assign(learned.scale, scale);
      assign(learned.mean, mean);
      // Changed in place, as they may take hundreds of megabytes.
      features.forEach((value, i) => {
        features[i] = (value - moments.mean[i % vectorDim]!) / scale[i % vectorDim]!;
      });
      return features;
    },
  };
}

function shapeOf(
  { patches, channels: colours, length: pixels }: ModelSpec,
  { grid, channels }: FeatureStage,
): CellShape {
  const cells = grid.down * grid.across;
  const values = cells * channels;
  const alike = patches === true;
  const vectors = alike ? cells : 1;
  const vectorDim = values / vectors;
  return { grid, channels, pixels, colours, dim: pixels * colours, cells, values, alike, vectors, vectorDim };
}

/**
 * Batches of images whose features are computed at once: index of the first image, and their number. @param dim values of an
 * image
 */
export function* batches(count: number, dim: number): Generator<[from: number, rows: number]> {
  const most = Math.max(1, Math.floor(valuesAtOnce / dim));
  for (let from = 0; from < count; from += most) yield [from, Math.min(most, count - from)];
}

/** Sets a variable to these values. */
export function assign(variable: tf.Variable, values: Float32Array | Float64Array): void {
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
