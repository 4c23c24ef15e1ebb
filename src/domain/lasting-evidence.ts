/**
 * How unusual it is that an event lasts. Of the anomalous records, 10^−m have a margin of m decades or more. An event with k of them
 * takes k: so events with k or more are at most 10^−m ⁄ k as frequent as anomalous records, however these are clustered (Markov's
 * inequality). A weak event that lasts is as rare as a strong one.
 */

/** Numbers of records of an event by their margin, in steps of half a decade: with at least 0, ½, 1, …  */
export type Exceedances = readonly number[];

const step = 0.5;
export const noExceedances: Exceedances = Array<number>(17).fill(0);

/** @param margin of a record, decades above its threshold */
export function withMargin(exceedances: Exceedances, margin: number): Exceedances {
  return exceedances.map((count, level) => (margin >= level * step ? count + 1 : count));
}

/** Decades by which events that are as strong and last as long are rarer than anomalous records. −Infinity without any. */
export function lastingMargin(exceedances: Exceedances): number {
  return exceedances.reduce(
    (most, count, level) => Math.max(most, level * step + Math.log10(count)),
    -Infinity,
  );
}
