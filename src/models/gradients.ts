/**
 * Histograms of oriented gradients (Dalal & Triggs 2005) as features of an image: in each cell, how strongly brightness rises
 * in each of eight directions. The directions are signed, so an image and its mirror image differ. An object that is nearly
 * symmetric in pixels, such as a dress upside down, is not symmetric in gradients.
 */
import { tf } from '../tensor';
import { createGrid, gridOf, type GridShape } from './grid';

/** Directions of a full turn. */
export const directions = 8;

/** Values of a cell: the directions, and the mean of each colour, for changes of brightness or colour alone. */
export const gradientChannels = (colours: number): number => directions + colours;

/** Weight of the means of colour: a full step from black to white counts as much as an edge in another direction. */
const levelWeight = 0.5;

/** Side of a cell, in pixels. */
const cellSize = 4;

/** A pixel counts for the directions around that of its gradient by this power of the cosine of the angle between them. */
const sharpness = 5;

/** Below this share of the range of a pixel, per pixel, a gradient has no direction. */
const noise = 1e-4;

/** A cell with gradients of this mean strength has half the weight. */
const faint = 0.05;

export const gradientGrid = (shape: Pick<GridShape, 'height' | 'width'>): GridShape =>
  gridOf(shape, cellSize);

/**
 * Square roots of the shares of the directions in each cell, so that neither contrast nor single strong edges outweigh the
 * rest; then the mean of each colour.
 * @param x pixels in [0, 1], shape [batch, height · width · colours]
 * @returns shape [batch, down · across · gradientChannels]
 */
export function gradientsOf(x: tf.Tensor2D, shape: GridShape, colours: number): tf.Tensor2D {
  const { height, width, down, across } = shape;
  const coloured = tf.reshape<tf.Rank.R4>(x, [-1, height, width, colours]);
  const grey: tf.Tensor3D =
    colours === 1 ? tf.reshape(coloured, [-1, height, width]) : tf.sum<tf.Tensor3D>(coloured, 3).div(colours);
  const right = differences(grey, 2);
  const downwards = differences(grey, 1);
  const inverse: tf.Tensor3D = tf.div(
    1,
    right
      .square()
      .add(downwards.square())
      .add(noise * noise),
  );
  /**
   * For a direction and its opposite: the component along it times a power of the cosine of the angle, which keeps its sign.
   */
  const pairs = Array.from({ length: directions / 2 }, (_, k) => {
    const angle = (2 * Math.PI * k) / directions;
    const along = right.mul(Math.cos(angle)).add(downwards.mul(Math.sin(angle)));
    const squaredCosine = along.square().mul(inverse);
    let part = along;
    for (let power = 1; power < sharpness; power += 2) part = part.mul(squaredCosine);
    return tf.expandDims<tf.Tensor4D>(part, 1);
  });
  const signed = tf.concat(pairs, 1);
  const maps = tf.concat([signed.relu(), signed.neg().relu()], 1);
  const grid = createGrid(shape);
  const cells = grid.mean(maps);
  const strength = tf.sum(cells, 3, true).add(faint);
  const shares = tf.sqrt<tf.Tensor4D>(cells.div(strength));
  const byColour = tf.transpose<tf.Tensor4D>(coloured, [0, 3, 1, 2]);
  const levels: tf.Tensor4D = grid.mean(byColour).mul(levelWeight);
  return tf.reshape(tf.concat([shares, levels], 3), [-1, down * across * (directions + colours)]);
}

/** Central difference of each pixel along an axis; at the border, the pixel at the border is repeated. */
function differences(grey: tf.Tensor3D, axis: 1 | 2): tf.Tensor3D {
  const size = grey.shape[axis];
  if (size === 1) return grey.mul(0);
  const part = (from: number, count: number): tf.Tensor3D => {
    const [begin, sizes] = [
      [0, 0, 0],
      [-1, -1, -1],
    ] as [[number, number, number], [number, number, number]];
    begin[axis] = from;
    sizes[axis] = count;
    return tf.slice(grey, begin, sizes);
  };
  const next = tf.concat([part(1, size - 1), part(size - 1, 1)], axis);
  const previous = tf.concat([part(0, 1), part(0, size - 1)], axis);
  return next.sub(previous);
}
