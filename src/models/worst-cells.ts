/** Combines a value of each cell of an image into one value of the image. */
import { tf } from '../tensor';

/** Smaller distances are replaced by this one, so that their logarithm is finite. */
export const leastDistance = 1e-6;

/**
 * For the cells of an object, their largest value; for those of a surface, ( 1/n Σ_i d_i⁸ )^⅛, which depends mostly on the
 * largest few: a defect is seldom in one cell alone, and the largest value of many normal cells varies.
 * @param ofEach ≥ 0, shape [batch, n] → [batch]
 * @param alike whether cells are of one kind, as those of a surface
 */
export function worst(ofEach: tf.Tensor2D, alike: boolean): tf.Tensor1D {
  const most = tf.max<tf.Tensor1D>(ofEach, 1);
  if (!alike) return most;
  // Values are divided by the largest one before the eighth power, which could overflow.
  const scale = most.maximum(leastDistance);
  const shares: tf.Tensor2D = ofEach.div(tf.expandDims(scale, 1));
  // A sum is used instead of a mean, whose last bits would depend on the place of the image in its batch (onnx/operators.ts).
  const sum = tf.sum<tf.Tensor1D>(shares.square().square().square(), 1);
  return sum.div(ofEach.shape[1]).sqrt().sqrt().sqrt().mul(scale);
}
