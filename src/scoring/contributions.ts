/**
 * From single values to channels, each calibrated separately: the sensors of a window, which detections contain, or the parts
 * of a coarse grid over an image. The regions in the detection of an image come from oddness.ts.
 */
import { colourChannels, nameOfBox, type ImageShape } from '../domain/image';
import type { Values } from '../domain/record';
import type { WindowShape } from '../domain/window';
import type { Examples } from '../models/model';
import { tf } from '../tensor';

export interface ChannelMap {
  /** A window of records, or an image. */
  readonly kind: 'window' | 'image';
  readonly channels: number;
  /** Contribution of each channel to the statistic `reconstruction`. Shape [batch, values of a window] → [batch, channels]. */
  sum(perValue: tf.Tensor2D): tf.Tensor2D;
  /**
   * One value for each channel: that of the newest record, or the mean of a region. Shape [batch, values of a window] →
   * [batch, channels].
   */
  represent(perValue: tf.Tensor2D): tf.Tensor2D;
  /** Mean of x − expected over the values present. Shape [batch, channels]. */
  meanError(examples: Examples, expected: tf.Tensor2D): tf.Tensor2D;
  /**
   * Writes one value for each channel of a raw window, in the channels' own units.
   * @param from index of the window's first value
   * @param at index in `into` of the first channel
   */
  writeActual(
    values: Values | Float32Array,
    from: number,
    into: Float32Array | Float64Array,
    at: number,
  ): void;
}

/** The channels of windows, or the regions of images, in the version's state. */
export function createChannelMap({
  spec,
  image,
}: {
  spec: { length: number; channels: number };
  image?: ImageShape;
}): ChannelMap {
  return image === undefined ? createWindowMap(spec) : createImageMap(image);
}

/** Largest number of channels for which one product with copies of I is faster. A window of 32 × 24 takes .46 µs that way, .21 µs the other. */
const fewChannels = 16;

/**
 * Channels of a window. The newest record has full weight. Of the earlier records, the worst is left out, so that one odd
 * record does not make all windows that contain it odd.
 */
export function createWindowMap({ length, channels }: Pick<WindowShape, 'length' | 'channels'>): ChannelMap {
  /**
   * Sum over all records of the window, written as a product: the order of onnxruntime's own sum depends on the place of a
   * window in the batch. With few channels it is one product with copies of I; with many, which would mostly multiply by 0, it
   * is one product with ones per window.
   */
  const sumOverRecords = (perValue: tf.Tensor2D): tf.Tensor2D => {
    if (channels <= fewChannels) return tf.matMul(perValue, tf.tile(tf.eye(channels), [length, 1]));
    const records = tf.reshape(perValue, [-1, length, channels]);
    return tf.reshape(tf.matMul(tf.ones([1, 1, length]), records), [-1, channels]);
  };
  return {
    kind: 'window',
    channels,
    sum(perValue) {
      const sums = sumOverRecords(perValue);
      if (length === 1) return sums;
      const earlier = tf.slice(perValue, [0, 0], [-1, (length - 1) * channels]);
      return sums.sub(tf.max(tf.reshape(earlier, [-1, length - 1, channels]), 1));
    },
    represent: (perValue) => tf.slice(perValue, [0, (length - 1) * channels], [-1, channels]),
    // For a channel without any value present, the mean is 0.
    meanError: ({ x, mask }, expected) =>
      sumOverRecords(mask.mul(x.sub(expected))).div(sumOverRecords(mask).maximum(1)),
    writeActual(values, from, into, at) {
      const newest = from + (length - 1) * channels;
      for (let j = 0; j < channels; j++) into[at + j] = values[newest + j]!;
    },
  };
}

/** Largest number of regions across and down. */
const regionsPerSide = 4;

interface Region {
  /** Name such as `x 0-6, y 7-13`. */
  name: string;
  pixels: number;
}

/** A coarse grid over an image: its regions row by row, and the region of each pixel. */
export function regionsOf({ width, height }: Pick<ImageShape, 'width' | 'height'>): {
  regions: Region[];
  regionOfPixel: Uint8Array;
} {
  const across = cuts(width);
  const down = cuts(height);
  const regionOfPixel = new Uint8Array(width * height);
  const regions = down.slice(1).flatMap((bottom, row) =>
    across.slice(1).map((right, column) => {
      const [left, top] = [across[column]!, down[row]!];
      const region = row * (across.length - 1) + column;
      for (let y = top; y < bottom; y++) regionOfPixel.fill(region, y * width + left, y * width + right);
      return {
        name: nameOfBox({ x: left, y: top, width: right - left, height: bottom - top }),
        pixels: (right - left) * (bottom - top),
      };
    }),
  );
  return { regions, regionOfPixel };
}

/** The bounds of the parts of a side, both ends included. */
function cuts(size: number): number[] {
  const parts = Math.min(regionsPerSide, size);
  return Array.from({ length: parts + 1 }, (_, i) => Math.round((i * size) / parts));
}

/** Regions of an image, all colours together. */
export function createImageMap(image: ImageShape): ChannelMap {
  const { width, height } = image;
  const { regions, regionOfPixel } = regionsOf(image);
  const colours = colourChannels(image);
  const [across, down] = [cuts(width), cuts(height)];
  const pixelsOf = regions.map(({ pixels }) => pixels * colours);

  /** 1 if a pixel of a side belongs to a part of it. Shape [size, parts]. */
  function membership(bounds: readonly number[]): tf.Tensor2D {
    const [size, parts] = [bounds.at(-1)!, bounds.length - 1];
    const rows = Array.from({ length: size }, (_, i) =>
      Array.from({ length: parts }, (__, part) => (i >= bounds[part]! && i < bounds[part + 1]! ? 1 : 0)),
    );
    return tf.tensor2d(rows);
  }

  function sum(perValue: tf.Tensor2D): tf.Tensor2D {
    const [columns, rows] = [across.length - 1, down.length - 1];
    const pixels = tf.reshape<tf.Rank.R3>(perValue, [-1, width, colours]).sum(2); // [batch · height, width]
    const byColumn = tf.reshape(tf.matMul(pixels, membership(across)), [-1, height, columns]);
    const turned = tf.reshape<tf.Rank.R2>(tf.transpose(byColumn, [0, 2, 1]), [-1, height]);
    const byRegion = tf.reshape(tf.matMul(turned, membership(down)), [-1, columns, rows]);
    return tf.reshape(tf.transpose(byRegion, [0, 2, 1]), [-1, regions.length]);
  }
  const represent = (perValue: tf.Tensor2D): tf.Tensor2D => sum(perValue).div(tf.tensor1d(pixelsOf));
  return {
    kind: 'image',
    channels: regions.length,
    sum,
    represent,
    meanError: ({ x }, expected) => represent(x.sub(expected)),
    writeActual(values, from, into, at) {
      const means = new Float64Array(regions.length);
      for (let i = 0; i < regionOfPixel.length * colours; i++) {
        const region = regionOfPixel[Math.floor(i / colours)]!;
        means[region]! += values[from + i]! / pixelsOf[region]!;
      }
      into.set(means, at);
    },
  };
}
