/** Text of bounded length, for labels and tags. */
import { createHash } from 'node:crypto';

const hashLength = 8;

/**
 * The text if it has at most `maxLength` UTF-16 units; otherwise its beginning, `…` and a hash, so that two long texts stay
 * different. The result has at most `maxLength` units, and the cut never divides a surrogate pair.
 */
export function shorten(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const hash = createHash('sha256').update(text).digest('hex').slice(0, hashLength);
  return `${text.slice(0, maxLength - hashLength - 1).replace(/[\uD800-\uDBFF]$/, '')}…${hash}`;
}
