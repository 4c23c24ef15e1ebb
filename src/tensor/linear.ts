/** x·W with a gradient that suits every backend. */
import { tf } from './tfjs';

/**
 * The product of x [batch, in] and W [in, out]. The gradient of tfjs multiplies with transpose flags, for which the
 * WebAssembly backend has a naive loop; transposing the matrices first is several times faster there.
 */
export function matMul(x: tf.Tensor2D, weights: tf.Tensor2D): tf.Tensor2D {
  product ??= createProduct();
  return product(x, weights);
}

type Product = (x: tf.Tensor2D, weights: tf.Tensor2D) => tf.Tensor2D;

let product: Product | undefined;

const createProduct = (): Product =>
  tf.customGrad<tf.Tensor2D>((...inputs) => {
    const [x, weights, save] = inputs as unknown as [tf.Tensor2D, tf.Tensor2D, tf.GradSaveFunc];
    save([x, weights]);
    return {
      value: tf.matMul(x, weights),
      gradFunc(dy, saved) {
        const [savedX, savedWeights] = saved as [tf.Tensor2D, tf.Tensor2D];
        return [tf.matMul(dy, tf.transpose(savedWeights)), tf.matMul(tf.transpose(savedX), dy)];
      },
    };
  });
