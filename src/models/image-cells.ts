/**
 * Between images and their n cells: what an image has of its cells side by side, [batch, n · dim], and a row for each cell,
 * [batch · n, dim]. The conditions of an image are its own, then the places of its cells.
 */
import { matMul, tf } from '../tensor';
import type { Likelihood } from './likelihood';
import type { Examples } from './model';
import { sideBySide } from './network';

/** Coordinates of a cell. */
export const placeDim = 2;

/** The code of an image, and those of its cells on each level below: [batch, dim], then [batch · n, dim] each. */
export type CellCodes = readonly [tf.Tensor2D, ...tf.Tensor2D[]];

export interface ImageCells {
  /** n: a model of cells always has their places among its conditions. */
  readonly count: (c: tf.Tensor2D | undefined) => number;
  /** The conditions of images themselves. Shape [batch, conditionDim]; undefined if there are none. */
  readonly ofImage: (c: tf.Tensor2D | undefined) => tf.Tensor2D | undefined;
  /** The conditions of cells: those of their images, and their place. Shape [batch · n, conditionDim + placeDim]. */
  readonly rowsOf: (c: tf.Tensor2D | undefined) => tf.Tensor2D;
  /** Codes side by side → the code of each level. */
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

/** The code of each level → codes side by side. */
export const sideBySideCodes = ([z1, ...below]: CellCodes, n: number): tf.Tensor2D =>
  sideBySide(z1, ...below.map((z) => toImages(z, n)))!;

/** The code of each image for each of its cells. A product with copies of I has a fast gradient. */
export const forCells = (z: tf.Tensor2D, n: number): tf.Tensor2D =>
  tf.reshape(matMul(z, tf.tile(tf.eye(z.shape[1]), [1, n])), [-1, z.shape[1]]);

/** [batch · n, dim] → [batch, n · dim]. */
export const toImages = (rows: tf.Tensor2D, n: number): tf.Tensor2D =>
  tf.reshape(rows, [-1, n * rows.shape[1]]);

/** A likelihood of single cells as one of images of them. */
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
