/** Means of statistics over the newest records of a device: lasting deviations add up, and a single record counts less. */
import type { Part } from './memory';

/** Number of records of a mean. */
export const meanRecords = 10;

export interface RecentMeans extends Part {
  /**
   * Adds the statistics of a record. `out` receives, from `to` on, the mean of each statistic over the newest records, this one
   * included.
   */
  step(cells: Float64Array, statistics: ArrayLike<number>, out: Float64Array, to: number): void;
}

/**
 * Cells: number of records seen, then a ring for each statistic.
 * @param count number of statistics
 * @param at index of the first cell
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
        // Summed from the oldest on, as the order of a sum changes its last digits.
        for (let i = 1; i <= used; i++) sum += cells[first + ((seen - used + i) % meanRecords)]!;
        out[to + s] = sum / used;
      }
    },
  };
}
