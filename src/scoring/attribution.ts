/**
 * From single values to the channels that a detection names: of a window they are the sensors, of an image regions of it.
 * Nobody reads 784 contributions, and a fault in a picture is seldom one pixel.
 */
import { colourChannels, type ImageShape } from '../domain/image';
import type { WindowShape } from '../domain/window';

export interface Attribution {
  /** To which channel each value of a window belongs. */
  channelOf(value: number): number;
  /** What each channel adds to the reconstruction statistic. Shape [count, values of a window] → [count, channels]. */
  sum(perValue: Float32Array, count: number): Float64Array;
  /**
   * The value that stands for each channel: that of the newest record, or the mean of a region. Shape [count, values of a
   * window] → [count, channels].
   */
  represent(perValue: ArrayLike<number>, count: number): Float64Array;
}

/**
 * Channels of a window. The record that is judged counts in full; of those before it the worst is left out, so that one odd
 * record is one odd record, and not a whole window of them.
 */
export function createWindowAttribution({ length, channels }: WindowShape): Attribution {
  return {
    channelOf: (value) => value % channels,
    sum(perValue, count) {
      const sums = new Float64Array(count * channels);
      for (let window = 0; window < count; window++) {
        for (let channel = 0; channel < channels; channel++) {
          const at = (t: number): number => perValue[(window * length + t) * channels + channel]!;
          let sum = at(length - 1);
          let worst = 0;
          for (let t = 0; t < length - 1; t++) {
            sum += at(t);
            if (t === 0 || at(t) > worst) worst = at(t);
          }
          sums[window * channels + channel] = sum - worst;
        }
      }
      return sums;
    },
    represent(perValue, count) {
      const newest = new Float64Array(count * channels);
      for (let window = 0; window < count; window++) {
        const from = (window * length + length - 1) * channels;
        for (let channel = 0; channel < channels; channel++)
          newest[window * channels + channel] = perValue[from + channel]!;
      }
      return newest;
    },
  };
}

/** Regions across and down, at most: enough to say where to look. */
const regionsPerSide = 4;

interface Region {
  /** `x 0-6, y 7-13`: its pixels, both ends included. */
  name: string;
  pixels: number;
}

/** A coarse grid over an image: its regions row by row, and to which of them each pixel belongs. */
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
        name: `x ${left}-${right - 1}, y ${top}-${bottom - 1}`,
        pixels: (right - left) * (bottom - top),
      };
    }),
  );
  return { regions, regionOfPixel };
}

/** Where a side is cut, its two ends included. */
function cuts(size: number): number[] {
  const parts = Math.min(regionsPerSide, size);
  return Array.from({ length: parts + 1 }, (_, i) => Math.round((i * size) / parts));
}

/** Regions of an image, all colours together. */
export function createImageAttribution(image: ImageShape): Attribution {
  const { regions, regionOfPixel } = regionsOf(image);
  const colours = colourChannels(image);
  const size = regionOfPixel.length * colours;
  const channelOf = (value: number): number => regionOfPixel[Math.floor(value / colours)]!;

  function sum(perValue: ArrayLike<number>, count: number): Float64Array {
    const sums = new Float64Array(count * regions.length);
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < size; j++) {
        sums[i * regions.length + channelOf(j)]! += perValue[i * size + j]!;
      }
    }
    return sums;
  }
  return {
    channelOf,
    sum,
    represent: (perValue, count) =>
      sum(perValue, count).map((total, i) => total / (regions[i % regions.length]!.pixels * colours)),
  };
}
