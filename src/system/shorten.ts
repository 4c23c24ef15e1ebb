/** Text of bounded length, for labels and tags. */
import { createHash } from 'node:crypto';

const hashLength = 8;

/**
 * The text if it has at most `maxLength` UTF-16 units, else its beginning, `…` and a hash: two long texts remain two. The result has
 * at most `maxLength` units, and never half a surrogate pair at its cut.
 */
export function shorten(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const hash = createHash('sha256').update(text).digest('hex').slice(0, hashLength);
  return `${text.slice(0, maxLength - hashLength - 1).replace(/[\uD800-\uDBFF]$/, '')}…${hash}`;
}
