/** The gradient of a convolution with respect to its filter. Training needs it, and the wasm backend lacks it. */
import { tf } from './tfjs';

export interface FilterGradientAttributes {
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
  filterShape: [number, number, number, number];
}

/**
 * dL/dfilter[i, j] = Σ over images and positions of x shifted by (i, j) times dL/dy. This is itself a convolution of x, with
 * channels and batch exchanged, by dy as the filter, dilated by the strides, so that the backend's fast convolution computes it.
 * x has shape [batch, height, width, in], dy [batch, outHeight, outWidth, out].
 */
export function filterGradient(
  x: tf.Tensor4D,
  dy: tf.Tensor4D,
  attributes: FilterGradientAttributes,
): tf.Tensor4D {
  const { strides, pad, dimRoundingMode, filterShape } = attributes;
  const info = tf.backend_util.computeConv2DInfo(x.shape, filterShape, strides, 1, pad, dimRoundingMode);
  const { padInfo, strideHeight, strideWidth, filterHeight, filterWidth } = info;
  return tf.tidy(() => {
    const padded = tf.pad(tf.transpose(x, [3, 1, 2, 0]), [
      [0, 0],
      [padInfo.top, padInfo.bottom],
      [padInfo.left, padInfo.right],
      [0, 0],
    ]);
    const filter = tf.transpose(dy, [1, 2, 0, 3]);
    const shifts = tf.conv2d(padded, filter, 1, 'valid', 'NHWC', [strideHeight, strideWidth]);
    // If the strides do not reach the last row or column, there are more shifts than filter entries.
    const used = tf.slice(shifts, [0, 0, 0, 0], [-1, filterHeight, filterWidth, -1]);
    return tf.transpose(used, [1, 2, 0, 3]);
  });
}

/** Registers the kernel for a backend that lacks it. */
export function registerFilterGradient(backendName: string): void {
  const kernelName = 'Conv2DBackpropFilter';
  if (tf.getKernelsForBackend(backendName).some((kernel) => kernel.kernelName === kernelName)) return;
  tf.registerKernel({
    kernelName,
    backendName,
    // The inputs of a kernel are tensors, and the engine records no gradient while a kernel runs.
    kernelFunc: ({ inputs, attrs }) =>
      filterGradient(
        inputs['x'] as tf.Tensor4D,
        inputs['dy'] as tf.Tensor4D,
        attrs as unknown as FilterGradientAttributes,
      ),
  });
}
