/** Columns of numbers that are not measurements, by their names and values. */

/** Usual names of columns that are 1 for anomalous records and 0 for others. */
const labelName = /^(is[ _-]?)?(label|anomal(y|ies|ous)|outlier|change[ _-]?point|attack)s?$/i;

/** An index has at least this many consecutive numbers. */
const minIndex = 3;

/** Whether a column marks anomalous records. */
export function isLabel(name: string, values: ArrayLike<number>): boolean {
  return labelName.test(name) && Array.prototype.every.call(values, (value) => value === 0 || value === 1);
}

/** Whether values are consecutive whole numbers. */
export function isIndex(values: ArrayLike<number>): boolean {
  if (values.length < minIndex) return false;
  for (let i = 0; i < values.length; i++)
    if (!Number.isInteger(values[i]) || values[i] !== values[0]! + i) return false;
  return true;
}
