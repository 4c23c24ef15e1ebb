/**
 * A grid of cells over an image. Each cell extends beyond its share: pixels between two centres count for both cells, weighted
 * by distance (triangular weights). So a shift by one pixel changes a cell only gradually.
 */
import { matMul, tf } from '../tensor';

export interface GridShape {
  /** Height of the image, in pixels. */
  height: number;
  width: number;
  /** Number of rows of cells; `across` is the number of cells in a row. */
  down: number;
  across: number;
}

export interface Grid extends GridShape {
  /** The weighted mean of each cell. Shape [batch, maps, height, width] → [batch, down, across, maps]. */
  mean(maps: tf.Tensor4D): tf.Tensor4D;
  /** Distributes the value of each cell over its pixels; keeps the sum. Shape [batch, down · across] → [batch, height · width]. */
  spread(cells: tf.Tensor2D): tf.Tensor2D;
}

/** A grid with cells of about `cell` pixels. An image smaller than that is one cell. */
export function gridOf({ height, width }: Pick<GridShape, 'height' | 'width'>, cell: number): GridShape {
  const parts = (size: number): number => Math.max(1, Math.round(size / cell));
  return { height, width, down: parts(height), across: parts(width) };
}

/** The matrices are created in the scope of the caller. */
export function createGrid(shape: GridShape): Grid {
  const { height, width, down, across } = shape;
  const weights = (size: number, parts: number): tf.Tensor2D =>
    tf.tensor2d(triangles(size, parts), [size, parts]);
  return {
    ...shape,
    mean: (maps) => resample(maps, weights(height, down), weights(width, across)),
    spread(cells) {
      const maps = tf.reshape<tf.Rank.R4>(cells, [-1, 1, down, across]);
      const pixels = resample(
        maps,
        tf.transpose(weights(height, down)),
        tf.transpose(weights(width, across)),
      );
      return tf.reshape(pixels, [-1, height * width]);
    },
  };
}

/**
 * Weighted sums along height and width.
 * @param maps shape [batch, maps, height, width]
 * @param ofRows shape [height, height of the result]; `ofColumns` the same of the width
 * @returns shape [batch, height, width, maps]
 */
export function resample(maps: tf.Tensor4D, ofRows: tf.Tensor2D, ofColumns: tf.Tensor2D): tf.Tensor4D {
  const [, count, height, width] = maps.shape;
  const [down, across] = [ofRows.shape[1], ofColumns.shape[1]];
  const rows = matMul(tf.reshape(maps, [-1, width]), ofColumns);
  const turned = tf.transpose(tf.reshape(rows, [-1, count, height, across]), [0, 3, 1, 2]);
  const cells = matMul(tf.reshape(turned, [-1, height]), ofRows);
  return tf.transpose(tf.reshape(cells, [-1, across, count, down]), [0, 3, 1, 2]);
}

/** Weight of each position of a side in each part. The weights of a part sum to 1. Shape [size, parts]. */
function triangles(size: number, parts: number): Float32Array {
  const pitch = size / parts;
  const weights = Float32Array.from({ length: size * parts }, (_, i) => {
    const centre = ((i % parts) + 0.5) * pitch - 0.5;
    return Math.max(0, 1 - Math.abs(Math.floor(i / parts) - centre) / pitch);
  });
  for (let part = 0; part < parts; part++) {
    let sum = 0;
    for (let i = part; i < weights.length; i += parts) sum += weights[i]!;
    for (let i = part; i < weights.length; i += parts) weights[i]! /= sum;
  }
  return weights;
}
