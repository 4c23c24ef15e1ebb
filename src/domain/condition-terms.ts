/**
 * The terms that a linear model regresses on. A network learns that each mode has its own rhythm, and that the first records
 * after a change differ from later ones. A linear model can use this only if it has a term for it.
 */
import type { ConditionSpec } from './record';

/** Where a condition lies in the encoding of a record. */
export interface ConditionSlot {
  kind: ConditionSpec['kind'];
  at: number;
  size: number;
}

/** Maximum number of products: more are not worth their coefficients. */
const maxProducts = 64;

export interface ConditionTerms {
  /** Number of terms of a window. */
  readonly size: number;
  /**
   * @param c encoded condition of a window, from index `from` on: that of its newest record, and the mean over its records
   * @param out gets the terms, from index `to` on
   */
  write(c: ArrayLike<number>, from: number, out: Float32Array, to: number): void;
}

/**
 * The condition of the newest record; the mean of categories and numbers over the window, which depends on how long ago they changed;
 * and the product of each category with each time and number.
 * @param slots of the encoding of one record, which has the length `dim`
 */
export function createConditionTerms(slots: readonly ConditionSlot[], dim: number): ConditionTerms {
  const isTime = ({ kind }: ConditionSlot): boolean => kind === 'hour-of-day' || kind === 'day-of-week';
  const indices = (of: readonly ConditionSlot[]): number[] =>
    of.flatMap(({ at, size }) => Array.from({ length: size }, (_, i) => at + i));
  const categories = indices(slots.filter(({ kind }) => kind === 'category'));
  const others = indices(slots.filter(({ kind }) => kind !== 'category'));
  const averaged = indices(slots.filter((slot) => !isTime(slot)));
  const products = categories.flatMap((a) => others.map((b) => [a, b] as const));
  if (products.length > maxProducts) products.length = 0;
  return {
    size: dim + averaged.length + products.length,
    write(c, from, out, to) {
      let at = to;
      for (let i = 0; i < dim; i++) out[at++] = c[from + i]!;
      for (const i of averaged) out[at++] = c[from + dim + i]!;
      for (const [a, b] of products) out[at++] = c[from + a]! * c[from + b]!;
    },
  };
}
