/** Characters of every kind for random texts, without what `unit: 'binary'` costs: fast-check lists all of them, for a second. */
import fc from 'fast-check';

const [firstSurrogate, surrogates] = [0xd800, 0x800];

/** Any code point but half of a surrogate pair: a `unit` of `fc.string`. */
export const codePoint = fc.integer({ min: 0, max: 0x10ffff - surrogates }).map(
  (index) => String.fromCodePoint(index < firstSurrogate ? index : index + surrogates),
  (text) => {
    const code = typeof text === 'string' ? text.codePointAt(0) : undefined;
    if (code === undefined || String.fromCodePoint(code) !== text) throw new TypeError('not one character');
    return code < firstSurrogate ? code : code - surrogates;
  },
);
