/** The gradient of a convolution by its filter, which the wasm backend lacks: without it no convolution trains there. */
import * as tf from '@tensorflow/tfjs-core';

interface Attributes {
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
  filterShape: [number, number, number, number];
}

/**
 * dL/dfilter[i, j] = Σ over positions of x shifted by (i, j), transposed, times dL/dy: one matrix product per entry of
 * the window. x has shape [batch, height, width, in], dy [batch, outHeight, outWidth, out].
 */
function filterGradient(x: tf.Tensor4D, dy: tf.Tensor4D, attributes: Attributes): tf.Tensor4D {
  const { strides, pad, dimRoundingMode, filterShape } = attributes;
  const info = tf.backend_util.computeConv2DInfo(x.shape, filterShape, strides, 1, pad, dimRoundingMode);
  const { padInfo, strideHeight, strideWidth, outHeight, outWidth, inChannels, outChannels } = info;
  return tf.tidy(() => {
    const padded = tf.pad(x, [
      [0, 0],
      [padInfo.top, padInfo.bottom],
      [padInfo.left, padInfo.right],
      [0, 0],
    ]);
    const rows = tf.reshape(dy, [-1, outChannels]);
    const gradients: tf.Tensor[] = [];
    for (let i = 0; i < info.filterHeight; i++) {
      for (let j = 0; j < info.filterWidth; j++) {
        const shifted = tf.stridedSlice(
          padded,
          [0, i, j, 0],
          [
            info.batchSize,
            i + (outHeight - 1) * strideHeight + 1,
            j + (outWidth - 1) * strideWidth + 1,
            inChannels,
          ],
          [1, strideHeight, strideWidth, 1],
        );
        gradients.push(tf.matMul(tf.reshape(shifted, [-1, inChannels]), rows, true, false));
      }
    }
    return tf.reshape(tf.stack(gradients), filterShape);
  });
}

/** Gives a backend the kernel where it has none of its own. */
export function registerFilterGradient(backendName: string): void {
  const kernelName = 'Conv2DBackpropFilter';
  if (tf.getKernelsForBackend(backendName).some((kernel) => kernel.kernelName === kernelName)) return;
  tf.registerKernel({
    kernelName,
    backendName,
    // What a kernel is given are tensors; the engine tapes nothing while one runs.
    kernelFunc: ({ inputs, attrs }) =>
      filterGradient(inputs['x'] as tf.Tensor4D, inputs['dy'] as tf.Tensor4D, attrs as unknown as Attributes),
  });
}
