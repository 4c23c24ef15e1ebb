/**
 * The linear sibling of every model of windows. A VAE whose decoder is linear and whose noise is Gaussian has probabilistic PCA
 * for the optimum of its ELBO (Tipping & Bishop 1999; Lucas et al. 2019, "Don't blame the ELBO!"): one covariance, without seed
 * or epochs. With all components kept, −2·log p of a record is T² = dᵀΣ⁻¹d but for a constant (Hotelling 1947), where d is the
 * deviation from what the condition and the device let expect.
 */
import { cholesky, inverse, quadraticForm, solve } from '../calibration/matrix';

/** Stored in the model version. Matrices are row-major. */
export interface LinearState {
  /** Intercept, then a row for each condition. Shape [1 + conditions, channels]. */
  coefficients: readonly number[];
  /** The same for each device that history has enough records of. */
  devices: Readonly<Record<string, readonly number[]>>;
  /** Σ⁻¹. Shape [channels, channels]. */
  precision: readonly number[];
}

/** Share of a channel's variance that is noise of measurement. */
const noise = 0.01;
/** A device has its own coefficients from this many records for each of them. */
const recordsPerCoefficient = 10;
/** Weight, in records, with which the coefficients of a device are drawn to the common ones. */
const ridge = 1;
/** Devices with coefficients of their own, at most: those with the most records. */
const maxDevices = 1000;

/** Records to learn from. */
export interface LinearRecords {
  /** Scaled; 0 where missing. Shape [records, channels]. */
  x: Float32Array;
  /** Encoded conditions. Shape [records, conditions]. */
  c: Float32Array;
  /** Device of each record. */
  keys: readonly string[];
}

/** @param conditions length of an encoded condition */
export function fitLinear({ x, c, keys }: LinearRecords, channels: number, conditions: number): LinearState {
  const inputs = 1 + conditions;
  const rows = Array.from(keys.keys());
  const zero = new Float64Array(inputs * channels);
  const common = regress(rows, zero, 1e-3);
  const byKey = new Map<string, number[]>();
  for (const row of rows) {
    const known = byKey.get(keys[row]!);
    if (known === undefined) byKey.set(keys[row]!, [row]);
    else known.push(row);
  }
  const large = [...byKey]
    .filter(([, { length }]) => length >= recordsPerCoefficient * inputs)
    .sort(([, a], [, b]) => b.length - a.length)
    .slice(0, maxDevices);
  // With one device its coefficients are the common ones.
  const devices = new Map(byKey.size > 1 ? large.map(([key, of]) => [key, regress(of, common, ridge)]) : []);

  const covariance = new Float64Array(channels * channels);
  const d = new Float64Array(channels);
  for (const row of rows) {
    deviation(devices.get(keys[row]!) ?? common, x, row * channels, c, row * conditions, conditions, d);
    for (let i = 0; i < channels; i++)
      for (let j = 0; j <= i; j++) covariance[i * channels + j]! += (d[i]! * d[j]!) / rows.length;
  }
  for (let i = 0; i < channels; i++) {
    for (let j = 0; j <= i; j++) {
      const value = (1 - noise) * covariance[i * channels + j]! + (i === j ? noise : 0);
      covariance[i * channels + j] = covariance[j * channels + i] = value;
    }
  }
  return {
    coefficients: Array.from(common),
    devices: Object.fromEntries([...devices].map(([key, own]) => [key, Array.from(own)])),
    precision: Array.from(inverse(covariance, channels)),
  };

  /** Least squares of the records on 1 and their conditions, drawn to `towards` with a weight in records. */
  function regress(of: readonly number[], towards: Float64Array, weight: number): Float64Array {
    const gram = new Float64Array(inputs * inputs);
    const moments = new Float64Array(inputs * channels);
    const input = new Float64Array(inputs);
    input[0] = 1;
    for (const row of of) {
      for (let i = 0; i < conditions; i++) input[1 + i] = c[row * conditions + i]!;
      for (let i = 0; i < inputs; i++) {
        for (let j = 0; j < inputs; j++) gram[i * inputs + j]! += input[i]! * input[j]!;
        for (let j = 0; j < channels; j++) moments[i * channels + j]! += input[i]! * x[row * channels + j]!;
      }
    }
    for (let i = 0; i < inputs; i++) gram[i * inputs + i]! += weight;
    const factor = cholesky(gram, inputs);
    const result = new Float64Array(inputs * channels);
    for (let j = 0; j < channels; j++) {
      const right = Float64Array.from(
        { length: inputs },
        (_, i) => moments[i * channels + j]! + weight * towards[i * channels + j]!,
      );
      solve(factor, inputs, right).forEach((value, i) => (result[i * channels + j] = value));
    }
    return result;
  }
}

/** d = x − B·(1, c), into `out`. */
function deviation(
  coefficients: Float64Array,
  x: ArrayLike<number>,
  xAt: number,
  c: ArrayLike<number>,
  cAt: number,
  conditions: number,
  out: Float64Array,
): void {
  const channels = out.length;
  for (let j = 0; j < channels; j++) out[j] = x[xAt + j]! - coefficients[j]!;
  for (let i = 0; i < conditions; i++) {
    const value = c[cAt + i]!;
    if (value === 0) continue;
    const row = (1 + i) * channels;
    for (let j = 0; j < channels; j++) out[j]! -= value * coefficients[row + j]!;
  }
}

export interface LinearModel {
  /**
   * The deviation d of a record, 0 where a value is missing; reused by the next call. Shape [channels].
   * @param key of the device
   * @param x scaled, from index `xAt` on; `mask` likewise, 0 = missing
   * @param c encoded condition, from index `cAt` on
   */
  deviation(
    key: string | undefined,
    x: ArrayLike<number>,
    mask: ArrayLike<number>,
    xAt: number,
    c: ArrayLike<number>,
    cAt: number,
  ): Float64Array;
  /** T² of the record whose deviation was computed last; missing channels are left out, and the others count for them. */
  distance(): number;
}

export function createLinear(state: LinearState, channels: number, conditions: number): LinearModel {
  const common = Float64Array.from(state.coefficients);
  const own = new Map(Object.entries(state.devices).map(([key, of]) => [key, Float64Array.from(of)]));
  const precision = Float64Array.from(state.precision);
  const d = new Float64Array(channels);
  const missing: number[] = [];
  return {
    deviation(key, x, mask, xAt, c, cAt) {
      deviation((key === undefined ? undefined : own.get(key)) ?? common, x, xAt, c, cAt, conditions, d);
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
      // The least dᵀPd over the missing d_m: d_m = −P_mm⁻¹ P_mo d_o, which takes bᵀP_mm⁻¹b off, b = P_mo d_o.
      const size = missing.length;
      const block = new Float64Array(size * size);
      const b = new Float64Array(size);
      missing.forEach((m, i) => {
        missing.forEach((n, j) => (block[i * size + j] = precision[m * channels + n]!));
        for (let j = 0; j < channels; j++) b[i]! += precision[m * channels + j]! * d[j]!;
      });
      const solved = solve(cholesky(block, size), size, b.slice());
      const saved = b.reduce((sum, value, i) => sum + value * solved[i]!, 0);
      return (Math.max(0, all - saved) * channels) / (channels - size);
    },
  };
}
