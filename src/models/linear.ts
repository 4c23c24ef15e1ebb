/**
 * The linear sibling of every model of windows. For a VAE with a linear decoder and Gaussian noise, the optimum of the ELBO is
 * probabilistic PCA (Tipping & Bishop 1999; Lucas et al. 2019, "Don't blame the ELBO!"): one covariance, without seed or
 * epochs. With all components kept, −2·log p of a record is T² = dᵀΣ⁻¹d except for a constant (Hotelling 1947), where d is the
 * deviation from the value expected for the condition and the device.
 */
import { cholesky, inverse, quadraticForm, solve } from '../calibration/matrix';
import { rowsByKey } from '../domain/rows-by-key';
import { regress, subtractExpected } from './ridge';

/** Stored in the model version. Matrices are row-major. */
export interface LinearState {
  /** Intercept, then a row for each condition. Shape [1 + conditions, channels]. */
  coefficients: readonly number[];
  /** Coefficients of each device with enough records in the history. */
  devices: Readonly<Record<string, readonly number[]>>;
  /** Σ⁻¹. Shape [channels, channels]. */
  precision: readonly number[];
}

/** Share of a channel's variance that is measurement noise. */
const noise = 0.01;
/** A device has its own coefficients if it has this many records per coefficient … */
const recordsPerCoefficient = 10;
/** … and with fewer records, its own intercept if it has at least this many. */
const recordsPerIntercept = 50;
/** Weight, in records, of the shrinkage of a device's coefficients to the common ones. */
const ridge = 1;
/** Weight of the shrinkage of the common coefficients to 0: a one-hot condition and the intercept are collinear. */
const commonRidge = 1e-3;
/** Maximum number of devices with their own coefficients: those with the most records. */
const maxDevices = 1000;

/** Records to learn from. */
export interface LinearRecords {
  /** Scaled; NaN where missing. Shape [records, channels]. */
  x: Float32Array;
  /** Terms of their conditions (domain/condition-terms.ts). Shape [records, conditions]. */
  c: Float32Array;
  /** Device of each record. */
  keys: readonly string[];
}

/**
 * Fits the coefficients; a channel is fitted on the records that have it.
 * @param conditions number of terms
 * @throws RangeError if a number is infinite
 */
export function fitLinear({ x, c, keys }: LinearRecords, channels: number, conditions: number): LinearState {
  const inputs = 1 + conditions;
  const records = { x, c, outputs: channels, conditions };
  const rows = Array.from(keys.keys());
  const zero = new Float64Array(inputs * channels);
  const common = regress(records, rows, conditions, zero, commonRidge);
  const byKey = rowsByKey(keys);
  const isLarge = ({ length }: readonly number[]): boolean => length >= recordsPerCoefficient * inputs;
  const kept = [...byKey]
    .filter(([, of]) => isLarge(of) || of.length >= recordsPerIntercept)
    .sort(([, a], [, b]) => b.length - a.length)
    .slice(0, maxDevices);
  // If there is only one device, the common coefficients are its own.
  const devices = new Map(
    byKey.size > 1
      ? kept.map(([key, of]) => [key, regress(records, of, isLarge(of) ? conditions : 0, common, ridge)])
      : [],
  );

  const deviations = new Float64Array(x.length);
  for (const row of rows) {
    const d = deviations.subarray(row * channels, (row + 1) * channels);
    const own = devices.get(keys[row]!) ?? common;
    subtractExpected(own, x, row * channels, c, row * conditions, conditions, d);
  }
  return {
    coefficients: Array.from(common),
    devices: Object.fromEntries([...devices].map(([key, own]) => [key, Array.from(own)])),
    precision: Array.from(inverse(covarianceOf(deviations, channels), channels)),
  };
}

/**
 * (1 − noise)·cov(d) + noise·I. Variances are those of the values present, and covariances are scaled accordingly, so that the
 * matrix is positive definite whatever values are missing.
 * @param deviations shape [records, channels]; NaN = missing
 */
function covarianceOf(deviations: Float64Array, channels: number): Float64Array {
  const covariance = new Float64Array(channels * channels);
  const present = new Float64Array(channels);
  const d = new Float64Array(channels);
  for (let at = 0; at < deviations.length; at += channels) {
    for (let j = 0; j < channels; j++) {
      const value = deviations[at + j]!;
      const isMissing = Number.isNaN(value);
      d[j] = isMissing ? 0 : value;
      if (!isMissing) present[j]!++;
    }
    for (let i = 0; i < channels; i++)
      for (let j = 0; j <= i; j++) covariance[i * channels + j]! += d[i]! * d[j]!;
  }
  for (let i = 0; i < channels; i++) {
    for (let j = 0; j <= i; j++) {
      const records = Math.max(1, Math.sqrt(present[i]! * present[j]!));
      const value = ((1 - noise) * covariance[i * channels + j]!) / records + (i === j ? noise : 0);
      covariance[i * channels + j] = covariance[j * channels + i] = value;
    }
  }
  return covariance;
}

export interface LinearModel {
  /**
   * The deviation d of a record, 0 where a value is missing; reused by the next call. Shape [channels].
   * @param key of the device
   * @param x scaled, from index `xAt` on; `mask` likewise, 0 = missing
   * @param c terms of the condition, from index `cAt` on
   */
  deviation(
    key: string | undefined,
    x: ArrayLike<number>,
    mask: ArrayLike<number>,
    xAt: number,
    c: ArrayLike<number>,
    cAt: number,
  ): Float64Array;
  /**
   * T² of the record whose deviation was computed last. Missing channels are left out, and the others are weighted up for them.
   */
  distance(): number;
}

export function createLinear(state: LinearState, channels: number, conditions: number): LinearModel {
  const common = Float64Array.from(state.coefficients);
  const own = new Map(Object.entries(state.devices).map(([key, of]) => [key, Float64Array.from(of)]));
  const precision = Float64Array.from(state.precision);
  const d = new Float64Array(channels);
  const missing: number[] = [];
  let covariance: Float64Array | undefined;
  /** Rows and columns of some channels. */
  const partOf = (matrix: Float64Array, of: readonly number[]): Float64Array =>
    Float64Array.from(of.flatMap((i) => of.map((j) => matrix[i * channels + j]!)));
  return {
    deviation(key, x, mask, xAt, c, cAt) {
      subtractExpected(
        (key === undefined ? undefined : own.get(key)) ?? common,
        x,
        xAt,
        c,
        cAt,
        conditions,
        d,
      );
      missing.length = 0;
      for (let j = 0; j < channels; j++) {
        if (mask[xAt + j] !== 0) continue;
        missing.push(j);
        d[j] = 0;
      }
      return d;
    },
    distance() {
      const all = quadraticForm(precision, channels, d);
      if (!Number.isFinite(all)) return Infinity;
      if (missing.length === 0) return all;
      if (missing.length === channels) return 0;
      const size = missing.length;
      const present = channels - size;
      if (present < size) {
        // The smaller of the two matrices is inverted; the result is the same as below, d_oᵀ·Σ_oo⁻¹·d_o.
        covariance ??= inverse(precision, channels);
        const seen = Array.from(d.keys()).filter((j) => !missing.includes(j));
        const own = Float64Array.from(seen, (j) => d[j]!);
        const solved = solve(cholesky(partOf(covariance, seen), present), present, own.slice());
        return (own.reduce((sum, value, i) => sum + value * solved[i]!, 0) * channels) / present;
      }
      // The least dᵀPd over the missing d_m: d_m = −P_mm⁻¹ P_mo d_o, which subtracts bᵀP_mm⁻¹b with b = P_mo d_o.
      const b = new Float64Array(size);
      missing.forEach((m, i) => {
        for (let j = 0; j < channels; j++) b[i]! += precision[m * channels + j]! * d[j]!;
      });
      const solved = solve(cholesky(partOf(precision, missing), size), size, b.slice());
      const saved = b.reduce((sum, value, i) => sum + value * solved[i]!, 0);
      return (Math.max(0, all - saved) * channels) / present;
    },
  };
}
