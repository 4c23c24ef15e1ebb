/** How many of the values of calibration are below another one: asked many times for every record. */

/**
 * A guide table says within which few places the answer lies (Chen & Asau 1974), so that most are found without a search.
 * @param sorted ascending, finite
 * @returns the number of values below the one that is given, which is not NaN
 */
export function createRank(sorted: Float64Array): (value: number) => number {
  const n = sorted.length;
  const least = sorted[0] ?? 0;
  const largest = sorted[n - 1] ?? 0;
  // Where all are equal, or lie further apart than a number can say, there is one cell.
  const perCell = n / (largest - least);
  const cells = Number.isFinite(perCell) && perCell > 0 ? n : 1;
  /** A cell is never left of that of a smaller value: that is all the search relies on. */
  const cellOf = (value: number): number =>
    cells === 1 ? 0 : Math.min(cells - 1, Math.floor((value - least) * perCell));
  /** By cell, how many values lie in the cells before it. */
  const before = new Uint32Array(cells + 1);
  for (const value of sorted) before[cellOf(value) + 1]!++;
  for (let cell = 0; cell < cells; cell++) before[cell + 1]! += before[cell]!;

  return (value) => {
    if (value <= least) return 0;
    if (value > largest) return n;
    const cell = cellOf(value);
    let low = before[cell]!;
    let high = before[cell + 1]!;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sorted[middle]! < value) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}
