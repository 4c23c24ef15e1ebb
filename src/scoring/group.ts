/** Groups that are calibrated separately: one per value of a condition. */
import type { CategoryTable } from '../domain/condition';
import { givenConditions } from '../domain/record';
import type { WindowBatch } from '../domain/window';
import type { VersionState } from './version-state';

/** The group of a window, by its newest record. */
export type GroupReader = (batch: WindowBatch, window: number) => string | undefined;

/** @returns undefined without `groupBy` */
export function createGroupReader(
  { conditions, groupBy }: Pick<VersionState, 'conditions' | 'groupBy'>,
  table: CategoryTable,
): GroupReader | undefined {
  const given = givenConditions(conditions.specs);
  const column = given.findIndex(({ name }) => name === groupBy);
  if (column === -1) return undefined;
  return ({ conditions: codes, timestamps, capacity }, window) => {
    const length = timestamps.length / capacity;
    return table.value(codes[(window * length + length - 1) * given.length + column]!);
  };
}
