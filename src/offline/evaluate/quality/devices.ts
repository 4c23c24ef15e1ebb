/** Devices of a series: records of one device are neighbours in time, those of several are not. */

/**
 * The rows of each device, ascending.
 * @param keys device of each record; undefined = all records are of one device
 */
export function rowsOfDevices(keys: readonly string[] | undefined, records: number): number[][] {
  if (keys === undefined) return [Array.from({ length: records }, (_, row) => row)];
  const byKey = new Map<string, number[]>();
  keys.forEach((key, row) => {
    const rows = byKey.get(key);
    if (rows === undefined) byKey.set(key, [row]);
    else rows.push(row);
  });
  return [...byKey.values()];
}
