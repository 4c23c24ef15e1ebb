import { imageFaults, putImageFault, type ImageFault } from '../../src/domain/image-faults';
import type { ImageShape } from '../../src/domain/image';
import { createRandom } from '../../src/tensor';

const image: ImageShape = { width: 12, height: 10, colour: 'rgb' };
const pixels = Uint8Array.from({ length: 12 * 10 * 3 }, (_, i) => (i * i) % 251);
const putInto = (kind: ImageFault, size: number, seed = 1, into = pixels) =>
  putImageFault(kind, size, into, image, createRandom(seed));
const differing = (faulty: Uint8Array) => pixels.filter((value, i) => value !== faulty[i]).length / 3;

test.each(Object.keys(imageFaults) as ImageFault[])(
  '%s is the same for a seed, and leaves the image',
  (kind) => {
    const copy = pixels.slice();
    const { sizes } = imageFaults[kind];
    expect(putInto(kind, sizes[0])).toEqual(putInto(kind, sizes[0]));
    expect(pixels).toEqual(copy);
  },
);

test('an occlusion hides a square of its size under one grey', () => {
  const faulty = putInto('occlusion', 30)!;
  const hidden = [...pixels.keys()].filter((i) => faulty[i] !== pixels[i]);
  expect(new Set(hidden.map((i) => faulty[i])).size).toBe(1);
  expect(differing(faulty)).toBeGreaterThan(7);
  expect(differing(faulty)).toBeLessThanOrEqual(9);
});

test('a flip exchanges left and right, and a turn by half is that of both axes', () => {
  const at = (values: Uint8Array, x: number, y: number) =>
    values.slice((y * 12 + x) * 3, (y * 12 + x) * 3 + 3);
  const [flipped, turned] = [putInto('flip', 1)!, putInto('turn', 180)!];
  for (let y = 0; y < 10; y++)
    for (let x = 0; x < 12; x++) {
      expect(at(flipped, x, y)).toEqual(at(pixels, 11 - x, y));
      expect(at(turned, x, y)).toEqual(at(pixels, 11 - x, 9 - y));
    }
});

test('noise and blur are larger with their size, and a blank image has neither flip, turn nor blur', () => {
  const distance = (faulty: Uint8Array) =>
    faulty.reduce((sum, value, i) => sum + Math.abs(value - pixels[i]!), 0);
  expect(distance(putInto('noise', 30)!)).toBeGreaterThan(2 * distance(putInto('noise', 5)!));
  const spread = (values: Uint8Array) => {
    const mean = values.reduce((sum, value) => sum + value / values.length, 0);
    return values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  };
  expect(spread(putInto('blur', 4)!)).toBeLessThan(spread(putInto('blur', 1)!));
  const blank = new Uint8Array(pixels.length).fill(7);
  for (const kind of ['flip', 'turn', 'blur'] as const) expect(putInto(kind, 1, 1, blank)).toBeUndefined();
});

/** The pixels that a fault changes, as [x, y]. */
const changed = (faulty: Uint8Array): [number, number][] =>
  [...Array(12 * 10).keys()]
    .filter((i) => [0, 1, 2].some((colour) => faulty[3 * i + colour] !== pixels[3 * i + colour]))
    .map((i) => [i % 12, Math.floor(i / 12)]);
const seeds = Array.from({ length: 20 }, (_, seed) => seed + 1);

test('a pasted square shows pixels of the image, and leaves the others', () => {
  for (const seed of seeds) {
    const faulty = putInto('cut-paste', 25, seed)!;
    const places = changed(faulty);
    for (const axis of [0, 1]) {
      const along = places.map((place) => place[axis]!);
      expect(Math.max(...along) - Math.min(...along)).toBeLessThan(3);
    }
    const known = new Set(pixels);
    expect(faulty.every((value) => known.has(value))).toBe(true);
  }
});

test('a scratch is long and thin, and a blot is round', () => {
  const blank = new Uint8Array(pixels.length).fill(100);
  const differs = (faulty: Uint8Array) => [...faulty.keys()].filter((i) => faulty[i] !== 100);
  for (const seed of seeds) {
    const scratch = differs(putInto('scratch', 40, seed, blank)!).length / 3;
    expect(scratch).toBeGreaterThanOrEqual(1);
    // A length of 4 pixels.
    expect(scratch).toBeLessThanOrEqual(8);
    const values = new Set(putInto('scratch', 40, seed, blank));
    expect(values.size).toBe(2);
    const blot = putInto('blot', 20, seed, blank)!;
    expect(differs(blot).length).toBeGreaterThan(0);
    expect(differs(blot).length / 3).toBeLessThanOrEqual(9);
  }
});

test('a colour shift changes one colour of each pixel by its size', () => {
  const blank = new Uint8Array(pixels.length).fill(100);
  for (const seed of seeds) {
    const faulty = putInto('colour-shift', 20, seed, blank)!;
    const shifted = [0, 1, 2].filter((colour) => faulty[colour] !== 100);
    expect(shifted).toHaveLength(1);
    for (let i = 0; i < faulty.length; i++)
      expect(Math.abs(faulty[i]! - 100)).toBe(i % 3 === shifted[0] ? 51 : 0);
  }
});
