/** Numbers that identify something, such as numeric keys. */

/**
 * Whether a number certainly has the digits that its record had. Whole numbers beyond 2^53 and fractions with more than 15
 * digits are rounded when they are parsed, so that different texts yield the same number.
 */
export function isExact(value: number): boolean {
  if (Number.isInteger(value)) return Number.isSafeInteger(value);
  const digits = String(value)
    .replace(/e.*|\D/g, '')
    .replace(/^0+/, '');
  return Number.isFinite(value) && digits.length <= 15;
}
