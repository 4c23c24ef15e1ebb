/** Caches texts that occur repeatedly, such as keys. */
import { isUtf8 } from 'node:buffer';

/** Size of the cache of texts. */
const cachedTexts = 1 << 16;

/** The text between two positions; undefined if it is empty, too long for a key, or not UTF-8. */
export type Intern = (bytes: Buffer, from: number, to: number) => string | undefined;

/** Creates each repeated text only once: a cache by the hash of their bytes, in which a new text replaces an old one. */
export function createInterner(): Intern {
  const texts = new Array<string | undefined>(cachedTexts);
  return (bytes, from, to) => {
    const length = to - from;
    if (length === 0 || length > 1024) return undefined;
    let hash = 0x811c9dc5;
    let all = 0;
    for (let i = from; i < to; i++) {
      all |= bytes[i]!;
      hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
    }
    if (all > 0x7f) return isUtf8(bytes.subarray(from, to)) ? bytes.toString('utf8', from, to) : undefined;
    const place = (hash ^ (hash >>> 16)) & (cachedTexts - 1);
    const known = texts[place];
    if (known?.length === length) {
      let i = 0;
      while (i < length && known.charCodeAt(i) === bytes[from + i]) i++;
      if (i === length) return known;
    }
    const text = bytes.toString('latin1', from, to);
    texts[place] = text;
    return text;
  };
}
