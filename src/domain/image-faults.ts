/**
 * Faults to put into normal images, to see whether a detector finds them. A pixel beyond the border has the value of the
 * nearest pixel at the border.
 */
import type { Random } from '../tensor';
import type { FaultDescription } from './faults';
import { colourChannels, type ImageShape } from './image';

const ofSide = (...sizes: number[]): FaultDescription => ({ unit: '% of the side', sizes });
const ofRange = (...sizes: number[]): FaultDescription => ({ unit: '% of the range', sizes });

export const imageFaults = {
  occlusion: ofSide(15, 30, 50),
  'cut-paste': ofSide(10, 25),
  scratch: ofSide(15, 40),
  blot: ofSide(8, 20),
  flip: { unit: '', sizes: [1] },
  turn: { unit: 'degrees', sizes: [15, 90, 180] },
  noise: ofRange(5, 10, 30),
  blur: { unit: 'pixels', sizes: [1, 2, 4] },
  'colour-shift': ofRange(5, 20),
} as const satisfies Record<string, FaultDescription>;

export type ImageFault = keyof typeof imageFaults;

type Draws = Pick<Random, 'uniform' | 'normal'>;

/** Returns the new value of a pixel. */
type Paint = (x: number, y: number, colour: number) => number;

interface Site extends ImageShape {
  /** Size of the fault. */
  size: number;
  /** Returns the value of a pixel, which may lie beyond the border. */
  at: Paint;
  random: Draws;
}

/** @returns the image with the fault; undefined if the fault changes no pixel */
export function putImageFault(
  kind: ImageFault,
  size: number,
  pixels: Uint8Array,
  image: ImageShape,
  random: Draws,
): Uint8Array | undefined {
  const { width, height } = image;
  const colours = colourChannels(image);
  const inside = (value: number, end: number): number => Math.max(0, Math.min(end - 1, value));
  const at: Paint = (x, y, colour) =>
    pixels[(inside(y, height) * width + inside(x, width)) * colours + colour]!;
  const paint = painters[kind]({ ...image, size, at, random });
  const faulty = new Uint8Array(pixels.length);
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let colour = 0; colour < colours; colour++, i++)
        faulty[i] = Math.max(0, Math.min(255, Math.round(paint(x, y, colour))));
  return faulty.some((value, i) => value !== pixels[i]) ? faulty : undefined;
}

const painters: Record<ImageFault, (site: Site) => Paint> = {
  /** A square of one grey level. */
  occlusion(site) {
    const covers = square(site);
    const grey = Math.floor(site.random.uniform() * 256);
    return (x, y, colour) => (covers(x, y) ? grey : site.at(x, y, colour));
  },
  /** A square copied from another place of the image (CutPaste: Li et al. 2021). */
  'cut-paste'(site) {
    const covers = square(site);
    const [dx, dy] = [site.width, site.height].map((side) => Math.floor(site.random.uniform() * side));
    return (x, y, colour) =>
      covers(x, y) ? site.at((x + dx!) % site.width, (y + dy!) % site.height, colour) : site.at(x, y, colour);
  },
  /** A line of one grey level; its width is a hundredth of the side. */
  scratch(site) {
    const [x0, y0, length] = placeOf(site);
    const angle = site.random.uniform() * Math.PI;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    const half = Math.max(0.5, sideOf(site) / 200);
    const grey = contrasting(site, x0, y0);
    return (x, y, colour) => {
      const [along, across] = [cos * (x - x0) + sin * (y - y0), cos * (y - y0) - sin * (x - x0)];
      return Math.abs(along) <= length / 2 && Math.abs(across) <= half ? grey : site.at(x, y, colour);
    };
  },
  /** A stain with a soft edge. */
  blot(site) {
    const [x0, y0, length] = placeOf(site);
    const grey = contrasting(site, x0, y0);
    return (x, y, colour) => {
      const r = Math.hypot(x - x0, y - y0) / Math.max(1, length / 2);
      const share = r < 1 ? Math.min(1, 3 * (1 - r)) : 0;
      return (1 - share) * site.at(x, y, colour) + share * grey;
    };
  },
  /** Exchanges left and right. */
  flip:
    ({ width, at }) =>
    (x, y, colour) =>
      at(width - 1 - x, y, colour),
  /** Rotates the image about its centre. */
  turn({ width, height, size, at }) {
    const angle = (size * Math.PI) / 180;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    const [centreX, centreY] = [(width - 1) / 2, (height - 1) / 2];
    return (x, y, colour) => {
      const [dx, dy] = [x - centreX, y - centreY];
      return at(Math.round(centreX + cos * dx + sin * dy), Math.round(centreY - sin * dx + cos * dy), colour);
    };
  },
  /** Adds Gaussian noise to each value. */
  noise:
    ({ size, at, random }) =>
    (x, y, colour) =>
      at(x, y, colour) + (size / 100) * 255 * random.normal(),
  /** The mean of all pixels at most `size` away in each direction. */
  blur({ width, height, colour, size, at }) {
    const sums = Array.from({ length: colourChannels({ colour }) }, (_, one) =>
      createSums(width + 2 * size, height + 2 * size, (x, y) => at(x - size, y - size, one)),
    );
    const side = 2 * size + 1;
    return (x, y, one) => sums[one]!(x, y, side) / side ** 2;
  },
  /** Raises or lowers all values of one colour; of a grey image, its brightness. */
  'colour-shift'({ size, at, random, colour: colours }) {
    const chosen = Math.floor(random.uniform() * colourChannels({ colour: colours }));
    const by = (random.uniform() < 0.5 ? -1 : 1) * (size / 100) * 255;
    return (x, y, colour) => at(x, y, colour) + (colour === chosen ? by : 0);
  },
};

const sideOf = ({ width, height }: ImageShape): number => Math.min(width, height);

/**
 * Returns a function for the sum over a square, given its left upper corner and side, from one summed-area table (Crow 1984).
 */
function createSums(
  width: number,
  height: number,
  at: (x: number, y: number) => number,
): (x: number, y: number, side: number) => number {
  const across = width + 1;
  const table = new Float64Array(across * (height + 1));
  for (let y = 0; y < height; y++)
    for (let x = 0, row = 0; x < width; x++) {
      row += at(x, y);
      table[(y + 1) * across + x + 1] = table[y * across + x + 1]! + row;
    }
  const upTo = (x: number, y: number): number => table[y * across + x]!;
  return (x, y, side) => upTo(x + side, y + side) - upTo(x, y + side) - upTo(x + side, y) + upTo(x, y);
}

/** Places a square of the fault's size at random; returns whether a pixel lies in it. */
function square(site: Site): (x: number, y: number) => boolean {
  const side = Math.max(1, Math.round((site.size / 100) * sideOf(site)));
  const [left, top] = [site.width, site.height].map((end) =>
    Math.floor(site.random.uniform() * (end - side + 1)),
  ) as [number, number];
  return (x, y) => x >= left && x < left + side && y >= top && y < top + side;
}

/** Draws the centre of a fault with room for most of it, and its length in pixels. */
function placeOf(site: Site): [x: number, y: number, length: number] {
  const length = Math.max(1, (site.size / 100) * sideOf(site));
  const along = (end: number): number => length / 2 + site.random.uniform() * Math.max(0, end - 1 - length);
  return [along(site.width), along(site.height), length];
}

/** Draws a grey level that differs from that at the place by a quarter to a half of the range. */
function contrasting({ at, random }: Site, x: number, y: number): number {
  const there = at(Math.round(x), Math.round(y), 0);
  const by = 64 + 64 * random.uniform();
  return there < 128 ? there + by : there - by;
}
