/** Scales channels robustly to a common scale, and back. */
import { colourChannels, type ImageShape } from './image';
import type { Values } from './record';

/** Scale and range of each channel, learned in training and stored in the model version. */
export interface ScalerState {
  center: readonly number[];
  scale: readonly number[];
  /** Smallest and largest value seen. */
  min: readonly number[];
  max: readonly number[];
  /** Number of values of each channel. */
  count: readonly number[];
}

export type Scaler = ReturnType<typeof createScaler>;

/** Scaled values beyond this, which no normal value reaches, are compressed: 1e30 must not overflow float32. */
export const softLimit = 20;

/** Share of the values at each end that the fit ignores. */
const trimmed = 0.005;

/** A computed constant, such as 0.1 + 0.2 for 0.3, differs by a few rounding errors of a float64. */
const roundingErrors = 8;

/**
 * Learns centre (mean) and scale (standard deviation) of each channel without the outermost values. A channel is constant if
 * its deviations are within the rounding of a float64; it gets a scale of 1 % of its value, or 1 at zero.
 * @param values shape [count, channels]; NaN = missing
 */
export function fitScaler(values: Values, count: number, channels: number): ScalerState {
  const fits = Array.from({ length: channels }, (_, channel) => {
    const column = new Float64Array(count);
    let n = 0;
    for (let row = 0; row < count; row++) {
      const value = values[row * channels + channel]!;
      if (!Number.isNaN(value)) column[n++] = value;
    }
    const sorted = column.subarray(0, n).sort();
    const skip = Math.floor(n * trimmed);
    const kept = sorted.subarray(skip, n - skip);
    // Relative to the median: a sum of large values would round away the deviations. Without values, both sums are 0.
    const median = kept[kept.length >> 1] ?? 0;
    const offset = kept.reduce((sum, v) => sum + (v - median) / kept.length, 0);
    const std = Math.sqrt(kept.reduce((sum, v) => sum + (v - median - offset) ** 2 / kept.length, 0));
    const mean = median + offset;
    const scale = std > roundingErrors * Number.EPSILON * Math.abs(mean) ? std : constantScale(mean);
    return { center: mean, scale, min: sorted[0] ?? 0, max: sorted.at(-1) ?? 0, count: n };
  });
  const each = (name: keyof ScalerState): number[] => fits.map((fit) => fit[name]);
  return {
    center: each('center'),
    scale: each('scale'),
    min: each('min'),
    max: each('max'),
    count: each('count'),
  };
}

/** Maps bytes to 0 … 1 for every pixel: a byte has a known range, so no fit is needed. */
export function pixelScaler(image: ImageShape): ScalerState {
  const each = (value: number): number[] => new Array<number>(colourChannels(image)).fill(value);
  return { center: each(0), scale: each(255), min: each(0), max: each(255), count: each(1) };
}

function constantScale(mean: number): number {
  return mean === 0 ? 1 : Math.abs(mean) * 0.01;
}

export function createScaler(state: ScalerState) {
  const { min, max, count } = state;
  const channels = state.center.length;
  const center = Float64Array.from(state.center);
  const scale = Float64Array.from(state.scale);

  /** 0 for a missing value, and for a channel without values in training. Beyond `softLimit`, grows with the logarithm. */
  function scaleOne(value: number, channel: number): number {
    const scaled = (value - center[channel]!) / scale[channel]!;
    // The usual case takes one comparison in this order; comparisons with NaN are false.
    if (Math.abs(scaled) <= softLimit) return count[channel] === 0 ? 0 : scaled;
    if (Number.isNaN(scaled) || count[channel] === 0) return 0;
    return Math.sign(scaled) * (softLimit + Math.log1p(Math.abs(scaled) - softLimit));
  }

  /** Scaled value of each byte in each channel. Shape [256, channels]. */
  let ofBytes: Float32Array | undefined;
  const tableOfBytes = (): Float32Array =>
    Float32Array.from({ length: 256 * channels }, (_, i) => scaleOne(Math.floor(i / channels), i % channels));

  return {
    /** Values per record of a window, or per pixel. */
    channels,
    /** Whether training had any value of the channel. */
    knows: (channel: number): boolean => count[channel]! > 0,
    scale: scaleOne,
    /** As `scale`, but NaN for a missing value and for a channel without values in training. */
    scaleKnown: (value: number, channel: number): number =>
      Number.isNaN(value) || count[channel] === 0 ? NaN : scaleOne(value, channel),
    /** Scales the `n` values of one record, from index `from` of `values` to index `at` of `out`. */
    scaleRow(values: Values, from: number, n: number, out: Float32Array | Float64Array, at: number): void {
      if (values instanceof Uint8Array) {
        const table = (ofBytes ??= tableOfBytes());
        for (let i = 0; i < n; i += channels)
          for (let j = 0; j < channels; j++) out[at + i + j] = table[values[from + i + j]! * channels + j]!;
        return;
      }
      for (let i = 0; i < n; i += channels)
        for (let j = 0; j < channels; j++) out[at + i + j] = scaleOne(values[from + i + j]!, j);
    },
    /**
     * Inverse of `scale`, clipped to the range of the training data: a model may expect impossible values, such as −57,030
     * bytes.
     */
    unscale(scaled: number, channel: number): number {
      const beyond = Math.abs(scaled) - softLimit;
      const linear = beyond <= 0 ? scaled : Math.sign(scaled) * (softLimit + Math.expm1(beyond));
      return Math.max(min[channel]!, Math.min(max[channel]!, linear * scale[channel]! + center[channel]!));
    },
  };
}
