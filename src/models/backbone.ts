/**
 * The first blocks of EfficientNet-Lite0 (Tan & Le 2019; without squeeze-and-excitation, and with ReLU6), trained on ImageNet
 * and frozen: feature maps that distinguish surfaces. The batch normalisations are folded into the convolutions.
 */
import { tf } from '../tensor';
import { resample, type GridShape } from './grid';
import { createVariable, type Weights } from './network';

interface Block {
  /** Factor by which the block widens its input before the depthwise convolution; 1 = unchanged. */
  expansion: number;
  outputs: number;
  stride: 1 | 2;
  kernel: 3 | 5;
}

const block = (expansion: number, outputs: number, stride: 1 | 2, kernel: 3 | 5): Block => ({
  expansion,
  outputs,
  stride,
  kernel,
});

const stem = 32;
const blocks: readonly Block[] = [
  block(1, 16, 1, 3),
  block(6, 24, 2, 3),
  block(6, 24, 1, 3),
  block(6, 40, 2, 5),
  block(6, 40, 1, 5),
  block(6, 80, 2, 3),
  block(6, 80, 1, 3),
  block(6, 80, 1, 3),
  block(6, 112, 1, 5),
  block(6, 112, 1, 5),
  block(6, 112, 1, 5),
];

/** Indices of the last blocks with strides 8 and 16, whose maps are used. */
const read: readonly number[] = [4, 10];
/** Pixels between neighbouring values of the finer maps. */
const finerStride = 8;
/** Channels of each map within a cell, where the maps are concatenated. */
export const backboneMaps = read.map((i, map) => ({
  from: read.slice(0, map).reduce((sum, before) => sum + blocks[before]!.outputs, 0),
  size: blocks[i]!.outputs,
}));
export const backboneChannels = backboneMaps.reduce((sum, { size }) => sum + size, 0);

/** Shapes of kernels and biases by name, as in the file. */
function backboneShapes(): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  const add = (name: string, kernel: readonly number[], outputs: number): void => {
    shapes.set(`${name}/kernel`, kernel).set(`${name}/bias`, [outputs]);
  };
  add('stem', [3, 3, 3, stem], stem);
  let inputs = stem;
  blocks.forEach(({ expansion, outputs, kernel }, i) => {
    const wide = inputs * expansion;
    if (expansion !== 1) add(`${i}/expand`, [1, 1, inputs, wide], wide);
    add(`${i}/depthwise`, [kernel, kernel, wide, 1], wide);
    add(`${i}/project`, [1, 1, wide, outputs], outputs);
    inputs = outputs;
  });
  return shapes;
}

export interface Backbone {
  readonly weights: Weights;
  /** Computes the maps of both strides. @param x pixels in [0, 1], shape [batch, height, width, 3] */
  maps(x: tf.Tensor4D): tf.Tensor4D[];
}

/** All weights are 0 until they are assigned. */
export function createBackbone(): Backbone {
  const weights = new Map(
    [...backboneShapes()].map(([name, shape]) => [name, createVariable(() => tf.zeros([...shape]))]),
  );
  const kernelOf = (name: string): tf.Tensor4D => weights.get(`${name}/kernel`) as unknown as tf.Tensor4D;
  const biased = (x: tf.Tensor4D, name: string): tf.Tensor4D => tf.add(x, weights.get(`${name}/bias`)!);
  const relu6 = (x: tf.Tensor4D): tf.Tensor4D => tf.clipByValue(x, 0, 6);
  const convolve = (x: tf.Tensor4D, name: string, stride = 1): tf.Tensor4D =>
    biased(tf.conv2d(x, kernelOf(name), stride, 'same'), name);

  return {
    weights,
    maps(pixels) {
      let x = relu6(convolve(tf.sub<tf.Tensor4D>(pixels.mul(255 / 128), 127 / 128), 'stem', 2));
      const maps: tf.Tensor4D[] = [];
      blocks.forEach(({ expansion, outputs, stride }, i) => {
        const given = x;
        // The wide maps inside a block take most of the memory, so they are freed at once.
        x = tf.tidy(() => {
          const wide = expansion === 1 ? given : relu6(convolve(given, `${i}/expand`));
          const name = `${i}/depthwise`;
          const y = relu6(biased(tf.depthwiseConv2d(wide, kernelOf(name), stride, 'same'), name));
          const projected = convolve(y, `${i}/project`);
          const isResidual = stride === 1 && given.shape[3] === outputs;
          return isResidual ? tf.add<tf.Tensor4D>(projected, given) : projected;
        });
        if (read.includes(i)) maps.push(x);
      });
      return maps;
    },
  };
}

/** The grid of the finer maps. */
export function backboneGrid({ height, width }: Pick<GridShape, 'height' | 'width'>): GridShape {
  return { height, width, down: Math.ceil(height / finerStride), across: Math.ceil(width / finerStride) };
}

/**
 * The maps of both strides concatenated: each cell of the finer maps gets the nearest cell of the coarser maps. They are not
 * averaged over neighbours, which would hide small defects (docs/quality.md).
 * @param x pixels in [0, 1], shape [batch, height · width · colours]
 * @returns shape [batch, down · across · backboneChannels]
 */
export function backboneFeatures(
  backbone: Backbone,
  x: tf.Tensor2D,
  { height, width, down, across }: GridShape,
  colours: number,
): tf.Tensor2D {
  const given = tf.reshape<tf.Rank.R4>(x, [-1, height, width, colours]);
  const coloured = colours === 1 ? tf.tile(given, [1, 1, 1, 3]) : given;
  const [finer, coarser] = backbone.maps(coloured) as [tf.Tensor4D, tf.Tensor4D];
  const repeated = resample(
    tf.transpose(coarser, [0, 3, 1, 2]),
    tf.tensor2d(nearest(coarser.shape[1], down), [coarser.shape[1], down]),
    tf.tensor2d(nearest(coarser.shape[2], across), [coarser.shape[2], across]),
  );
  return tf.reshape(tf.concat([finer, repeated], 3), [-1, down * across * backboneChannels]);
}

/** A matrix that selects, for each of `outputs` places, the nearest input. Shape [inputs, outputs]. */
function nearest(inputs: number, outputs: number): Float32Array {
  const weights = new Float32Array(inputs * outputs);
  for (let output = 0; output < outputs; output++)
    weights[Math.floor((output * inputs) / outputs) * outputs + output] = 1;
  return weights;
}
