/** Brings channels of any unit to a common scale, robustly, and back. */
import { colourChannels, type ImageShape } from './image';
import type { Values } from './record';

/** What is learned of each channel; goes into the model version. */
export interface ScalerState {
  center: readonly number[];
  scale: readonly number[];
  /** Smallest and largest value seen. */
  min: readonly number[];
  max: readonly number[];
  /** How many values of each channel there were. */
  count: readonly number[];
}

export interface Scaler {
  /** How many channels it knows: the values of a position, be that a record of a window or a pixel. */
  readonly channels: number;
  /** Whether training has seen any value of the channel. Of one that it has not, nothing can be said. */
  knows(channel: number): boolean;
  /** Scaled value; 0 for a missing one, and for every one of a channel that training has not seen. Grows only as the logarithm beyond `softLimit`. */
  scale(value: number, channel: number): number;
  /** Scales `count` values, those of one record, from place `from` of `values` to place `at` of `out`. */
  scaleRow(values: Values, from: number, count: number, out: Float32Array, at: number): void;
  /**
   * Inverse of `scale`, in the channel's own unit, but within what has been seen: a model knows no bounds, and a person
   * who reads "expected −57,030 bytes" stops believing it.
   */
  unscale(scaled: number, channel: number): number;
}

/**
 * Beyond this many scales a value is compressed: far enough to leave normal records alone, and a value of
 * 1e30 neither overflows float32 nor drowns the rest of the window.
 */
export const softLimit = 20;

/** The outermost share of values at each end that does not take part in the fit. */
const trimmed = 0.005;

/**
 * Learns centre (mean) and scale (standard deviation) of each channel without the outermost values.
 * A channel that never moves gets a scale of 1 % of its size, or 1 at zero.
 * @param values shape [count, channels]; NaN = missing
 */
export function fitScaler(values: Values, count: number, channels: number): ScalerState {
  const center: number[] = [];
  const scale: number[] = [];
  const min: number[] = [];
  const max: number[] = [];
  const counts: number[] = [];
  for (let channel = 0; channel < channels; channel++) {
    const column = new Float64Array(count);
    let n = 0;
    for (let row = 0; row < count; row++) {
      const value = values[row * channels + channel]!;
      if (!Number.isNaN(value)) column[n++] = value;
    }
    const sorted = column.subarray(0, n).sort();
    const skip = Math.floor(n * trimmed);
    const kept = sorted.subarray(skip, n - skip);
    const mean = kept.length === 0 ? 0 : kept.reduce((sum, v) => sum + v / kept.length, 0);
    const std =
      kept.length === 0 ? 0 : Math.sqrt(kept.reduce((sum, v) => sum + (v - mean) ** 2 / kept.length, 0));
    center.push(mean);
    // Rounding alone gives a constant channel a spread of about 1e-16 of its size.
    scale.push(std > 1e-9 * Math.abs(mean) ? std : constantScale(mean));
    min.push(sorted[0] ?? 0);
    max.push(sorted.at(-1) ?? 0);
    counts.push(n);
  }
  return { center, scale, min, max, count: counts };
}

/** Maps bytes to 0 … 1, the same for every pixel: the range of a byte needs no fit. */
export function pixelScaler(image: ImageShape): ScalerState {
  const each = (value: number): number[] => new Array<number>(colourChannels(image)).fill(value);
  return { center: each(0), scale: each(255), min: each(0), max: each(255), count: each(1) };
}

function constantScale(mean: number): number {
  return mean === 0 ? 1 : Math.abs(mean) * 0.01;
}

export function createScaler(state: ScalerState): Scaler {
  const { min, max, count } = state;
  const channels = state.center.length;
  const center = Float64Array.from(state.center);
  const scale = Float64Array.from(state.scale);

  function scaleOne(value: number, channel: number): number {
    const scaled = (value - center[channel]!) / scale[channel]!;
    // In this order, so that the usual case takes one comparison; NaN is not smaller than anything.
    if (Math.abs(scaled) <= softLimit) return count[channel] === 0 ? 0 : scaled;
    if (Number.isNaN(scaled) || count[channel] === 0) return 0;
    return Math.sign(scaled) * (softLimit + Math.log1p(Math.abs(scaled) - softLimit));
  }

  /** What each byte becomes in each channel, where values are pixels. Shape [256, channels]. */
  let ofBytes: Float32Array | undefined;
  const tableOfBytes = (): Float32Array =>
    Float32Array.from({ length: 256 * channels }, (_, i) => scaleOne(Math.floor(i / channels), i % channels));

  return {
    channels,
    knows: (channel) => count[channel]! > 0,
    scale: scaleOne,
    scaleRow(values, from, n, out, at) {
      if (values instanceof Uint8Array) {
        const table = (ofBytes ??= tableOfBytes());
        for (let i = 0; i < n; i += channels)
          for (let j = 0; j < channels; j++) out[at + i + j] = table[values[from + i + j]! * channels + j]!;
        return;
      }
      for (let i = 0; i < n; i += channels)
        for (let j = 0; j < channels; j++) out[at + i + j] = scaleOne(values[from + i + j]!, j);
    },
    unscale(scaled, channel) {
      const beyond = Math.abs(scaled) - softLimit;
      const linear = beyond <= 0 ? scaled : Math.sign(scaled) * (softLimit + Math.expm1(beyond));
      return Math.max(min[channel]!, Math.min(max[channel]!, linear * scale[channel]! + center[channel]!));
    },
  };
}
