/** Divides a series by device: records of one device follow each other in time, those of several do not. */
import { rowsByKey } from '../../../domain/rows-by-key';

/**
 * The rows of each device, ascending.
 * @param keys device of each record; undefined = all records are of one device
 */
export function rowsOfDevices(keys: readonly string[] | undefined, records: number): number[][] {
  if (keys === undefined) return [Array.from({ length: records }, (_, row) => row)];
  return [...rowsByKey(keys).values()];
}
