/** Means of statistics over the newest records of a device: what lasts adds up, and a single record counts less. */
import type { Part } from './memory';

/** Records of a mean. */
export const meanRecords = 10;

export interface RecentMeans extends Part {
  /** Adds the statistics of a record; `out` gets the mean of each over the newest records, this one included, from `to` on. */
  step(cells: Float64Array, statistics: ArrayLike<number>, out: Float64Array, to: number): void;
}

/**
 * Cells: records seen, then a ring of each statistic.
 * @param count number of statistics
 * @param at first cell
 */
export function createRecentMeans(count: number, at = 0): RecentMeans {
  return {
    size: count === 0 ? 0 : 1 + count * meanRecords,
    begin: () => undefined,
    step(cells, statistics, out, to) {
      if (count === 0) return;
      const seen = cells[at]!++;
      const used = Math.min(meanRecords, seen + 1);
      for (let s = 0; s < count; s++) {
        const first = at + 1 + s * meanRecords;
        cells[first + (seen % meanRecords)] = statistics[s]!;
        let sum = 0;
        // The oldest first: the order of a sum changes its last digits.
        for (let i = 1; i <= used; i++) sum += cells[first + ((seen - used + i) % meanRecords)]!;
        out[to + s] = sum / used;
      }
    },
  };
}
