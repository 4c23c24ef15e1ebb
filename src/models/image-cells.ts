/**
 * Conversions between images and their n cells: the data of an image has its cells side by side, [batch, n · dim], or one row
 * per cell, [batch · n, dim]. The conditions of an image are its own, followed by the places of its cells.
 */
import { matMul, tf } from '../tensor';
import type { Likelihood } from './likelihood';
import type { Examples } from './model';
import { sideBySide } from './network';

/** Number of coordinates of a cell. */
export const placeDim = 2;

/** The code of an image, and the codes of its cells on each lower level: [batch, dim], then [batch · n, dim] each. */
export type CellCodes = readonly [tf.Tensor2D, ...tf.Tensor2D[]];

export interface ImageCells {
  /** Number of cells n, from the conditions: they always include the places of the cells. */
  readonly count: (c: tf.Tensor2D | undefined) => number;
  /** Conditions of the images, without places. Shape [batch, conditionDim]; undefined if there are none. */
  readonly ofImage: (c: tf.Tensor2D | undefined) => tf.Tensor2D | undefined;
  /** Conditions of the cells: those of their image, and their place. Shape [batch · n, conditionDim + placeDim]. */
  readonly rowsOf: (c: tf.Tensor2D | undefined) => tf.Tensor2D;
  /** Converts codes side by side to the code of each level. */
  readonly levelsOf: (code: tf.Tensor2D, n: number) => CellCodes;
}

/**
 * @param conditionDim of an image, without the places of its cells
 * @param dims of the code of each level, the image first
 */
export function createImageCells(conditionDim: number, dims: readonly number[]): ImageCells {
  const count: ImageCells['count'] = (c) => (c!.shape[1] - conditionDim) / placeDim;

  const ofImage: ImageCells['ofImage'] = (c) =>
    conditionDim === 0 ? undefined : tf.slice(c!, [0, 0], [-1, conditionDim]);

  return {
    count,
    ofImage,
    rowsOf(c) {
      const n = count(c);
      const places = tf.reshape<tf.Rank.R2>(tf.slice(c!, [0, conditionDim], [-1, n * placeDim]), [
        -1,
        placeDim,
      ]);
      const image = ofImage(c);
      const repeated =
        image && tf.reshape<tf.Rank.R2>(tf.tile(tf.expandDims(image, 1), [1, n, 1]), [-1, conditionDim]);
      return sideBySide(repeated, places)!;
    },
    levelsOf(code, n) {
      let from = 0;
      return dims.map((dim, l) => {
        const own = l === 0 ? dim : dim * n;
        const part = tf.slice(code, [0, (from += own) - own], [-1, own]);
        return l === 0 ? part : tf.reshape<tf.Rank.R2>(part, [-1, dim]);
      }) as [tf.Tensor2D, ...tf.Tensor2D[]];
    },
  };
}

/** Converts the code of each level to codes side by side. */
export const sideBySideCodes = ([z1, ...below]: CellCodes, n: number): tf.Tensor2D =>
  sideBySide(z1, ...below.map((z) => toImages(z, n)))!;

/** Repeats the code of each image for each of its cells. A product with copies of I has a fast gradient. */
export const forCells = (z: tf.Tensor2D, n: number): tf.Tensor2D =>
  tf.reshape(matMul(z, tf.tile(tf.eye(z.shape[1]), [1, n])), [-1, z.shape[1]]);

/** Reshapes [batch · n, dim] → [batch, n · dim]. */
export const toImages = (rows: tf.Tensor2D, n: number): tf.Tensor2D =>
  tf.reshape(rows, [-1, n * rows.shape[1]]);

/** Converts a likelihood of single cells to a likelihood of images of cells. */
export function likelihoodOfCells(
  { weights, ...ofCell }: Likelihood,
  channels: number,
  { rowsOf }: ImageCells,
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
