import fc from 'fast-check';
import { shorten } from '../../src/system/shorten';
import { codePoint } from '../code-point';

test('a short text stays, a long one is cut, and two of them remain two', () => {
  expect(shorten('pump-3', 20)).toBe('pump-3');
  expect(shorten('x'.repeat(20), 20)).toBe('x'.repeat(20));
  const [one, two] = ['1', '2'].map((end) => shorten(`${'x'.repeat(40)}${end}`, 20));
  expect(one).toMatch(/^x{11}…[0-9a-f]{8}$/);
  expect(one).not.toBe(two);
});

test('a cut is never longer than asked for, and is UTF-8 where the text is', () => {
  fc.assert(
    fc.property(fc.string({ unit: codePoint, maxLength: 60 }), (text) => {
      const short = shorten(text, 20);
      expect(short.length).toBeLessThanOrEqual(20);
      expect(Buffer.from(short).toString()).toBe(short);
    }),
  );
});
