/** Distributes values of cells over the pixels of the image: each pixel gets a share of the nats of its cells. */
import { tf } from '../tensor';
import type { CellFeatures } from './cell-features';
import { createGrid } from './grid';
import type { NegativeLogJoint } from './model';

type OnPixels = Pick<NegativeLogJoint, 'distortion' | 'deviance' | 'expected'>;

export interface PixelNats {
  /** The sum over the features of each cell. Shape [batch · parts, values of a part] → [batch, cells]. */
  ofCells(perValue: tf.Tensor2D): tf.Tensor2D;
  /**
   * Distortion and deviance on the pixels of images x, shape [batch, dim]. Features cannot be converted to pixels, so the mean
   * image is returned as the expected one.
   */
  onPixels(of: Omit<OnPixels, 'expected'>, x: tf.Tensor2D): OnPixels;
}

export function createPixelNats({ shape, mean }: CellFeatures): PixelNats {
  const { grid, channels, pixels, colours, dim, cells } = shape;

  const ofCells = (perValue: tf.Tensor2D): tf.Tensor2D =>
    tf.sum<tf.Tensor2D>(tf.reshape(perValue, [-1, cells, channels]), 2);

  /** Distributes values over pixels without a change of their sum. */
  function toPixels(perValue: tf.Tensor2D): tf.Tensor2D {
    const ofPixels = createGrid(grid).spread(ofCells(perValue));
    if (colours === 1) return ofPixels;
    return tf.reshape(tf.tile(tf.reshape(ofPixels.div(colours), [-1, pixels, 1]), [1, 1, colours]), [
      -1,
      dim,
    ]);
  }

  return {
    ofCells,
    onPixels: ({ distortion, deviance }, x) => ({
      distortion: toPixels(distortion),
      deviance: toPixels(deviance),
      expected: x.mul(0).add(mean),
    }),
  };
}
