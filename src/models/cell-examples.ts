/**
 * Input of the inner model from an image: the features of each cell separately, given its place, or those of all cells
 * together. Its examples from one image are called parts.
 */
import { createRandom, scoped, tf } from '../tensor';
import { batches, type CellFeatures } from './cell-features';
import { createGrid } from './grid';
import { placeDim } from './image-cells';
import { withCells } from './image-hvae';
import type { Examples, Model, ModelSpec, WindowArrays } from './model';
import { sideBySide } from './network';

/** Maximum number of cells in a training example of a model that reads all cells together: bounds memory. */
const mostCellsToLearn = 64;

export interface CellExamples {
  /** Number of parts of an image. */
  readonly parts: number;
  /**
   * Examples from the cells of images with features y. A cell with a masked pixel is masked; without a mask, no value is
   * missing.
   */
  of(images: Pick<Examples, 'c'> & Partial<Pick<Examples, 'mask'>>, y: tf.Tensor2D): Examples;
  /** As `of`, for arrays of images. */
  readonly read: (windows: WindowArrays) => WindowArrays;
}

/** Cells of one kind are separate examples, unless the model reads those of an image together. */
const partsOf = ({ shape: { alike, cells } }: CellFeatures, together: boolean): number =>
  alike && !together ? cells : 1;

/** The spec of the inner model. If cells are of one kind, their places are conditions. */
export function innerSpec<Spec extends ModelSpec>(
  spec: Spec,
  features: CellFeatures,
  together: boolean,
): Spec {
  const { grid, channels, cells, alike } = features.shape;
  const parts = partsOf(features, together);
  const length = cells / parts;
  return {
    ...spec,
    features: 'pixels',
    channels,
    length,
    width: parts === 1 ? grid.across : 1,
    ...(alike && { conditionDim: spec.conditionDim + length * placeDim }),
  };
}

/** @param spec of the images */
export function createCellExamples(
  { conditionDim }: ModelSpec,
  features: CellFeatures,
  together: boolean,
): CellExamples {
  const { grid, channels, pixels, colours, dim, cells, values, alike } = features.shape;
  const parts = partsOf(features, together);
  const cellsOfPart = cells / parts;
  const ownConditionDim = conditionDim + (alike ? cellsOfPart * placeDim : 0);

  function maskOf(mask: tf.Tensor2D): tf.Tensor2D {
    const seen = tf.min(tf.reshape(mask, [-1, pixels, colours]), 2);
    const images = tf.reshape<tf.Rank.R4>(seen, [-1, 1, grid.height, grid.width]);
    const whole = tf.greater<tf.Tensor4D>(createGrid(grid).mean(images), 0.999);
    const ofCells = tf.reshape(tf.cast(whole, 'float32'), [-1, cells, 1]);
    return tf.reshape(tf.tile(ofCells, [1, 1, channels]), [-1, values / parts]);
  }

  /** Conditions of the image of each part, and the places of its cells. Shape [batch · parts, ownConditionDim]. */
  function conditionsOf(c: tf.Tensor2D | undefined, y: tf.Tensor2D): tf.Tensor2D | undefined {
    if (!alike) return c;
    const repeated =
      parts === 1 || c === undefined
        ? c
        : tf.reshape<tf.Rank.R2>(tf.tile(tf.expandDims(c, 1), [1, parts, 1]), [-1, conditionDim]);
    // Zeros with the size of the batch, to which the places are added.
    const zeros = tf.slice(y, [0, 0], [-1, placeDim]).mul(0);
    const ofAll = tf.reshape(zeros, [-1, cells, placeDim]).add(tf.reshape(places(), [1, cells, placeDim]));
    return sideBySide(repeated, tf.reshape(ofAll, [-1, cellsOfPart * placeDim]));
  }

  /** Coordinates of the cells, from −1 to 1. Shape [cells, placeDim]. */
  function places(): tf.Tensor2D {
    const along = (at: number, count: number): number => (2 * (at + 0.5)) / count - 1;
    const rows = Array.from({ length: cells }, (_, i) => [
      along(i % grid.across, grid.across),
      along(Math.floor(i / grid.across), grid.down),
    ]);
    return tf.tensor2d(rows, [cells, placeDim]);
  }

  const of: CellExamples['of'] = ({ mask, c }, y) => {
    const x: tf.Tensor2D =
      y.shape[1] === values / parts ? y : tf.reshape<tf.Rank.R2>(y, [-1, values / parts]);
    return { x, mask: mask === undefined ? x.mul(0).add(1) : maskOf(mask), c: conditionsOf(c, y) };
  };

  function read({ x, mask, c, count }: WindowArrays): WindowArrays {
    const all = { x: new Float32Array(count * values), mask: new Float32Array(count * values) };
    const conditions = new Float32Array(count * parts * ownConditionDim);
    for (const [from, rows] of batches(count, dim)) {
      const part = (array: Float32Array, width: number): tf.Tensor2D =>
        tf.tensor2d(array.slice(from * width, (from + rows) * width), [rows, width]);
      scoped(() => {
        const images = {
          mask: part(mask, dim),
          c: conditionDim === 0 ? undefined : part(c, conditionDim),
        };
        const given = of(images, features.of(part(x, dim)));
        all.x.set(given.x.dataSync(), from * values);
        all.mask.set(given.mask.dataSync(), from * values);
        if (given.c !== undefined) conditions.set(given.c.dataSync(), from * parts * ownConditionDim);
      });
    }
    return { ...all, c: conditions, count: count * parts };
  }

  return { parts, of, read };
}

/**
 * Training examples for a model of all cells together: each image is divided into parts of some cells, which are drawn at
 * random.
 */
export function ofSomeCells(
  inner: Model,
  { shape: { cells, channels } }: CellFeatures,
  read: CellExamples['read'],
): NonNullable<Model['inside']> {
  const seen = Math.min(cells, mostCellsToLearn);
  const perImage = Math.floor(cells / seen);
  const model = withCells(inner, seen);
  const { conditionDim } = model.spec;
  /** Conditions of an image, without the places of its cells. */
  const ownConditions = conditionDim - seen * placeDim;
  const order = Int32Array.from({ length: cells }, (_, i) => i);
  // It does not matter which cells are seen together, so the seed is fixed.
  const random = createRandom(1);
  return {
    model,
    parts: perImage,
    read(windows) {
      const images = read(windows);
      const count = images.count * perImage;
      const x = new Float32Array(count * seen * channels);
      const mask = new Float32Array(count * seen * channels);
      const c = new Float32Array(count * conditionDim);
      for (let part = 0; part < count; part++) {
        if (part % perImage === 0) random.shuffle(order);
        const image = Math.floor(part / perImage);
        const given = image * inner.spec.conditionDim;
        c.set(images.c.subarray(given, given + ownConditions), part * conditionDim);
        for (let i = 0; i < seen; i++) {
          const cell = order[(part % perImage) * seen + i]!;
          const [from, to] = [(image * cells + cell) * channels, (part * seen + i) * channels];
          x.set(images.x.subarray(from, from + channels), to);
          mask.set(images.mask.subarray(from, from + channels), to);
          const place = given + ownConditions + cell * placeDim;
          c.set(
            images.c.subarray(place, place + placeDim),
            part * conditionDim + ownConditions + i * placeDim,
          );
        }
      }
      return { x, mask, c, count };
    },
  };
}
