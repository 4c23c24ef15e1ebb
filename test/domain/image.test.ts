import { frameOf, nameOfBox, toOriginal, type ImageFormat } from '../../src/domain/image';

const to = (fit: ImageFormat['fit']) => ({ width: 100, height: 50, fit });

test('an image of the size of the detector has no frame', () => {
  expect(frameOf(to('fill'), { width: 100, height: 50 })).toBeUndefined();
});

test.each([
  // 400 × 400 pixels: stretched by 4 and 8; the middle 400 × 200; with 200 columns of border on both sides.
  ['fill', { x: 40, y: 80, width: 40, height: 40 }],
  ['cover', { x: 40, y: 140, width: 40, height: 20 }],
  ['contain', { x: 0, y: 80, width: 1, height: 40 }],
] as const)('a box in an image with fit %s', (fit, expected) => {
  const frame = frameOf(to(fit), { width: 400, height: 400 })!;
  expect(toOriginal({ x: 10, y: 10, width: 10, height: 5 }, frame)).toEqual(expected);
});

test('a box stays within the original, and has at least a pixel', () => {
  const frame = frameOf(to('fill'), { width: 10, height: 3 })!;
  expect(toOriginal({ x: 95, y: 49, width: 5, height: 1 }, frame)).toEqual({
    x: 9,
    y: 2,
    width: 1,
    height: 1,
  });
  const whole = { x: 0, y: 0, width: 100, height: 50 };
  for (const fit of ['fill', 'contain'] as const)
    expect(toOriginal(whole, frameOf(to(fit), { width: 33, height: 77 })!)).toEqual({
      x: 0,
      y: 0,
      width: 33,
      height: 77,
    });
});

test('the name of a box has both ends', () => {
  expect(nameOfBox({ x: 0, y: 7, width: 7, height: 7 })).toBe('x 0-6, y 7-13');
});
