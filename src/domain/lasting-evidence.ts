/**
 * How unusual the duration of an event is. Of the anomalous records, a share of 10^−m has a margin of m decades or more. An
 * event with k of them uses k, so events with k or more are at most 10^−m ⁄ k as frequent as anomalous records, however these
 * are clustered (Markov's inequality). So a weak event that lasts can be as rare as a strong one.
 */

/** Numbers of records of an event with a margin of at least 0, ½, 1, … decades. */
export type Exceedances = readonly number[];

const step = 0.5;
export const noExceedances: Exceedances = Array<number>(17).fill(0);

/** @param margin of a record, decades above its threshold */
export function withMargin(exceedances: Exceedances, margin: number): Exceedances {
  return exceedances.map((count, level) => (margin >= level * step ? count + 1 : count));
}

/**
 * Decades by which events that are at least as strong and as long are rarer than anomalous records. −Infinity without records.
 */
export function lastingMargin(exceedances: Exceedances): number {
  return exceedances.reduce(
    (most, count, level) => Math.max(most, level * step + Math.log10(count)),
    -Infinity,
  );
}
