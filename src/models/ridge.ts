/** Ridge regression (Hoerl & Kennard 1970) of several outputs on the same conditions. */
import { cholesky, solve } from '../calibration/matrix';

export interface Regression {
  /** Outputs; NaN = missing. Shape [records, outputs]. */
  x: ArrayLike<number>;
  /** Conditions. Shape [records, conditions]. */
  c: ArrayLike<number>;
  outputs: number;
  conditions: number;
}

/**
 * Least squares on 1 and the first `dim` conditions, shrunk to `towards` with a weight in records; the other coefficients are
 * copied from `towards`. An output is fitted on the records that have it.
 * @param records to learn from
 * @param towards intercept, then a row for each condition. Shape [1 + conditions, outputs]
 * @returns the coefficients, of the same shape
 * @throws RangeError if a number is infinite
 */
export function regress(
  { x, c, outputs, conditions }: Regression,
  records: readonly number[],
  dim: number,
  towards: Float64Array,
  weight: number,
): Float64Array {
  const inputs = 1 + conditions;
  const result = Float64Array.from(towards);
  const isComplete = (j: number): boolean =>
    records.every((record) => !Number.isNaN(x[record * outputs + j]!));
  const complete: number[] = [];
  for (let j = 0; j < outputs; j++) {
    if (isComplete(j)) complete.push(j);
    // With missing values, each output has different records.
    else learn([j]);
  }
  if (complete.length > 0) learn(complete);
  return result;

  function learn(group: readonly number[]): void {
    const size = 1 + dim;
    const gram = new Float64Array(size * size);
    const moments = group.map(() => new Float64Array(size));
    const input = new Float64Array(inputs);
    input[0] = 1;
    for (const record of records) {
      if (Number.isNaN(x[record * outputs + group[0]!]!)) continue;
      for (let i = 0; i < conditions; i++) input[1 + i] = c[record * conditions + i]!;
      // The part of the outputs that `towards` does not explain.
      const rest = group.map((j) => {
        let value = x[record * outputs + j]!;
        for (let i = 0; i < inputs; i++) value -= input[i]! * towards[i * outputs + j]!;
        return value;
      });
      for (let i = 0; i < size; i++) {
        // With one-hot conditions most inputs are 0.
        if (input[i] === 0) continue;
        for (let k = 0; k <= i; k++) gram[i * size + k]! += input[i]! * input[k]!;
        for (let t = 0; t < rest.length; t++) moments[t]![i]! += input[i]! * rest[t]!;
      }
    }
    for (let i = 0; i < size; i++) gram[i * size + i]! += weight;
    const factor = cholesky(gram, size);
    group.forEach((j, t) => {
      solve(factor, size, moments[t]!).forEach((value, i) => (result[i * outputs + j]! += value));
    });
  }
}

/** Writes to `out` the record at index `xAt`, minus the value that the coefficients predict from its conditions at `cAt`. */
export function subtractExpected(
  coefficients: Float64Array,
  x: ArrayLike<number>,
  xAt: number,
  c: ArrayLike<number>,
  cAt: number,
  conditions: number,
  out: Float64Array,
): void {
  const outputs = out.length;
  for (let j = 0; j < outputs; j++) out[j] = x[xAt + j]! - coefficients[j]!;
  for (let i = 0; i < conditions; i++) {
    const value = c[cAt + i]!;
    if (value === 0) continue;
    const row = (1 + i) * outputs;
    for (let j = 0; j < outputs; j++) out[j]! -= value * coefficients[row + j]!;
  }
}
