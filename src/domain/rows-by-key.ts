/** The rows with each key, ascending; rows without a key are left out. @param keys by row */
export function rowsByKey(keys: readonly (string | undefined)[]): Map<string, number[]> {
  const byKey = new Map<string, number[]>();
  keys.forEach((key, row) => {
    if (key === undefined) return;
    const rows = byKey.get(key);
    if (rows === undefined) byKey.set(key, [row]);
    else rows.push(row);
  });
  return byKey;
}
