/**
 * Distance of the features of an image from typical ones:
 *   δ_i = min_b |y_i − b|² / dim       the vector y_i of a cell or of the image, b of the bank
 *   bank(x) = exp( 1/M Σ_m log worst_i δ_i )     over the M maps of features, each with its own bank With the geometric mean, a map that varies more does not outweigh a deviation in another map.
 */
import { matMul, tf, type Random } from '../tensor';
import { assign, type CellFeatures } from './cell-features';
import type { FeatureMap } from './features';
import { createVariable, type Weights } from './network';
import { findCoreset, findTypical } from './typical';
import { leastDistance, worst } from './worst-cells';

export interface Bank {
  readonly weights: Weights;
  /** δ of each map. @param features y of images, shape [batch · vectors, vectorDim] → [batch, vectors] each */
  distances(features: tf.Tensor2D): tf.Tensor2D[];
  /** The statistic. @param distances of each map, shape [batch, vectors] each → [batch] */
  farthest(distances: readonly tf.Tensor2D[]): tf.Tensor1D;
  /** Finds the typical vectors. @param features y of training images, shape [images · vectors, vectorDim] */
  learn(features: Float32Array, random: Random): void;
}

/** @param size number of typical vectors */
export function createBank({ shape, maps }: CellFeatures, size: number): Bank {
  const { alike, vectors, vectorDim } = shape;
  const typical = createVariable(() => tf.zeros([vectorDim, size]));

  /** δ by the features of one map. Shape [batch, vectors]. */
  function distancesBy(features: tf.Tensor2D, { from, size: width }: FeatureMap): tf.Tensor2D {
    const whole = typical as unknown as tf.Tensor2D;
    const isWhole = width === vectorDim;
    const bank: tf.Tensor2D = isWhole ? whole : tf.slice(whole, [from, 0], [width, size]);
    const own: tf.Tensor2D = isWhole ? features : tf.slice(features, [0, from], [-1, width]);
    const squares = tf.sum<tf.Tensor2D>(bank.square(), 0, true);
    const least = tf.min<tf.Tensor1D>(squares.sub(matMul(own, bank).mul(2)), 1);
    const squared = tf.sum<tf.Tensor1D>(own.square(), 1).add(least).relu();
    return tf.reshape(squared.div(width), [-1, vectors]);
  }

  return {
    weights: new Map([['features/typical/kernel', typical]]),
    distances: (features) => maps.map((map) => distancesBy(features, map)),
    farthest(distances) {
      const logarithms = distances.map((of) => worst(of, alike).maximum(leastDistance).log());
      return tf.exp(logarithms.reduce((sum, one) => sum.add(one)).div(maps.length));
    },
    learn(features, random) {
      // For similar cells, the mean of several is smoother than each of them. Images differ too much for a coreset, which
      // would select the most unusual ones.
      const find = alike ? findCoreset : findTypical;
      const found = maps.map((map) => find(features, vectorDim, size, random, map));
      assign(typical, Float32Array.from(found.flatMap((columns) => [...columns])));
    },
  };
}
