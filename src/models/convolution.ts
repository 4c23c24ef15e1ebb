/**
 * Convolutions over the positions of x. A window is an image one position wide, so that conv1d is a conv2d: each layer halves
 * height and width where they are above 1, with a kernel of 3 in these directions.
 */
import { matMul, tf, type Random } from '../tensor';
import { createVariable, type Network } from './network';

export interface ConvolutionSpec {
  /** Prefix of the weights' names. */
  name: string;
  height: number;
  width: number;
  channels: number;
  /** Filters of each layer, from x inwards. */
  filters: readonly number[];
  /** Width of the vector on the other side of the network. */
  vectorDim: number;
  random: Random;
}

interface Layer {
  height: number;
  width: number;
  channels: number;
  window: [number, number];
  strides: [number, number];
}

/** The input of each layer, from x inwards; the last entry is the output of the innermost layer. */
function layersOf({ height, width, channels, filters }: ConvolutionSpec): Layer[] {
  const layers: Layer[] = [];
  let [h, w, inner] = [height, width, channels];
  for (const next of [...filters, 0]) {
    const along = (size: number): [number, number] => (size > 1 ? [3, 2] : [1, 1]);
    const [[windowHeight, strideHeight], [windowWidth, strideWidth]] = [along(h), along(w)];
    layers.push({
      height: h,
      width: w,
      channels: inner,
      window: [windowHeight, windowWidth],
      strides: [strideHeight, strideWidth],
    });
    h = Math.ceil(h / strideHeight);
    w = Math.ceil(w / strideWidth);
    inner = next;
  }
  return layers;
}

/** He initialisation (He 2015): `gain` 2 before a ReLU, 1 at the end. */
function createKernel(random: Random, shape: readonly number[], fanIn: number, gain: number): tf.Variable {
  const outputs = shape.at(-1)!;
  const rows = shape.reduce((product, size) => product * size, 1) / outputs;
  return createVariable(() =>
    tf.reshape(random.normalTensor([rows, outputs]).mul(Math.sqrt(gain / fanIn)), [...shape]),
  );
}

/** Encodes x: convolutions with ReLU, then one linear layer. `given` is added as channels at every position. */
export function createConvolution(spec: ConvolutionSpec, givenDim: number): Network {
  const { name, height, width, channels, vectorDim, random } = spec;
  const layers = layersOf(spec);
  const innermost = layers.at(-1)!;
  const weights = new Map<string, tf.Variable>();
  const kernels = layers.slice(0, -1).map(({ window, channels: read }, i) => {
    const inputs = i === 0 ? read + givenDim : read;
    const shape = [...window, inputs, layers[i + 1]!.channels];
    const kernel = createKernel(random, shape, window[0] * window[1] * inputs, 2);
    const bias = createVariable(() => tf.zeros([layers[i + 1]!.channels]));
    weights.set(`${name}/${i}/kernel`, kernel).set(`${name}/${i}/bias`, bias);
    return { kernel: kernel as tf.Variable<tf.Rank.R4>, bias };
  });
  const flat = innermost.height * innermost.width * innermost.channels;
  const last = createKernel(random, [flat, vectorDim], flat, 1) as tf.Variable<tf.Rank.R2>;
  const lastBias = createVariable(() => tf.zeros([vectorDim]));
  weights.set(`${name}/out/kernel`, last).set(`${name}/out/bias`, lastBias);

  return {
    weights,
    apply(x, given) {
      let h: tf.Tensor4D = tf.reshape(x, [-1, height, width, channels]);
      if (given !== undefined) {
        const everywhere = tf.ones<tf.Rank.R4>([1, height, width, 1]);
        h = tf.concat([h, everywhere.mul(tf.reshape(given, [-1, 1, 1, givenDim]))], 3);
      }
      kernels.forEach(({ kernel, bias }, i) => {
        h = tf.conv2d(h, kernel, layers[i]!.strides, 'same').add(bias).relu();
      });
      return matMul(tf.reshape<tf.Rank.R2>(h, [-1, flat]), last).add(lastBias);
    },
  };
}

/** Decodes x: one linear layer, then transposed convolutions through the sizes of the encoder in reverse. */
export function createTransposedConvolution(spec: ConvolutionSpec): Network {
  const { name, vectorDim, random } = spec;
  const layers = layersOf(spec);
  const innermost = layers.at(-1)!;
  const flat = innermost.height * innermost.width * innermost.channels;
  const weights = new Map<string, tf.Variable>();
  const first = createKernel(random, [vectorDim, flat], vectorDim, 2) as tf.Variable<tf.Rank.R2>;
  const firstBias = createVariable(() => tf.zeros([flat]));
  weights.set(`${name}/in/kernel`, first).set(`${name}/in/bias`, firstBias);
  const kernels = layers.slice(0, -1).map(({ window, strides, channels }, i) => {
    const inputs = layers[i + 1]!.channels;
    // Strides spread the inputs, so each output depends on only a part of the kernel.
    const fanIn = Math.max(1, (window[0] * window[1]) / (strides[0] * strides[1])) * inputs;
    const kernel = createKernel(random, [...window, channels, inputs], fanIn, i === 0 ? 1 : 2);
    const bias = createVariable(() => tf.zeros([channels]));
    weights.set(`${name}/${i}/kernel`, kernel).set(`${name}/${i}/bias`, bias);
    return { kernel: kernel as tf.Variable<tf.Rank.R4>, bias };
  });

  return {
    weights,
    apply(z) {
      const { height, width, channels } = innermost;
      const flatOutput = matMul(z, first).add(firstBias).relu(); // [batch, flat]
      let h: tf.Tensor4D = tf.reshape(flatOutput, [-1, height, width, channels]);
      for (let i = kernels.length - 1; i >= 0; i--) {
        const { kernel, bias } = kernels[i]!;
        const to = layers[i]!;
        const shape: [number, number, number, number] = [h.shape[0], to.height, to.width, to.channels];
        const out = tf.conv2dTranspose(h, kernel, shape, to.strides, 'same').add(bias);
        h = i === 0 ? out : out.relu();
      }
      return tf.reshape(h, [h.shape[0], -1]);
    },
  };
}
