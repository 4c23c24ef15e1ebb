/**
 * Surfaces for benches, in 0 … 1: crops of photographs of brick, grass and gravel (scikit-image), and surfaces that are made at random, of
 * which every image is another one.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(import.meta.url);
const { readPlainPng } = require('../../dist/codecs/image/plain-png');

/** Pixels of a side: of a photograph, of its blocks, of the crops within a block, and of an image, to which a crop is enlarged. */
const [picture, block, crop] = [512, 128, 64];
export const side = 128;
export const pixels = side * side;
const blocksAcross = picture / block;
/** Blocks of a photograph from which history comes; the others are shown in the test. */
const historyBlocks = 12;

/** Means over boxes of 2·down + 1 by 2·across + 1, around the edges. */
export function blurred(image, down, across) {
  const along = (of, radius, step, at) => {
    if (radius === 0) return of;
    return of.map((_, i) => {
      const place = at(i);
      let sum = 0;
      for (let d = -radius; d <= radius; d++)
        sum += of[i + ((((place + d) % side) + side) % side) * step - place * step];
      return sum / (2 * radius + 1);
    });
  };
  const rows = along(image, across, 1, (i) => i % side);
  return along(rows, down, side, (i) => Math.floor(i / side));
}

/** @param image in 0 … 1 */
export const toBytes = (image) =>
  Uint8Array.from(image, (value) => Math.round(255 * Math.min(1, Math.max(0, value))));

/** @param pictures folder of the photographs, skimage/data of an installed scikit-image; undefined = no photographs */
export function createSurfaces(random, pictures) {
  const below = (count) => Math.floor(random.uniform() * count);
  const between = (low, high) => low + (high - low) * random.uniform();
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());

  /** Noise of standard deviation 1. */
  function noise(down, across) {
    const smooth = blurred(
      blurred(Float64Array.from({ length: pixels }, normal), down, across),
      down,
      across,
    );
    const spread = Math.sqrt(smooth.reduce((sum, value) => sum + value * value, 0) / pixels);
    return smooth.map((value) => value / spread);
  }

  /** Surfaces of which every image is another one, in 0 … 1, under light from another side. */
  const made = {
    cast: () => {
      const [coarse, middle, grain] = [noise(12, 12), noise(3, 3), noise(0, 0)];
      return coarse.map((value, i) => 0.04 * value + 0.03 * middle[i] + 0.025 * grain[i]);
    },
    brushed: () => {
      const [strokes, grain] = [noise(0, 20), noise(0, 0)];
      return strokes.map((value, i) => 0.06 * value + 0.015 * grain[i]);
    },
    weave: () => {
      const [bend, coarse, grain] = [noise(10, 10), noise(5, 5), noise(0, 0)];
      const pitch = (2 * Math.PI) / between(7.6, 8.4);
      const wave = (at, i) => Math.sin(pitch * at + 0.4 * bend[i]);
      return coarse.map(
        (value, i) =>
          0.08 * wave(i % side, i) * wave(Math.floor(i / side), i) + 0.03 * value + 0.015 * grain[i],
      );
    },
  };

  function lit(surface) {
    const [level, angle, strength] = [between(0.4, 0.6), between(0, 2 * Math.PI), between(0, 0.12)];
    return surface.map((value, i) => {
      const [x, y] = [(i % side) / side - 0.5, Math.floor(i / side) / side - 0.5];
      return value + level + strength * (x * Math.cos(angle) + y * Math.sin(angle));
    });
  }

  /** A crop of a block, mirrored or not, enlarged. */
  function cropOf(photograph, of) {
    const [left, top] = [(of % blocksAcross) * block, Math.floor(of / blocksAcross) * block];
    const [x0, y0] = [left + below(block - crop + 1), top + below(block - crop + 1)];
    const isMirrored = random.uniform() < 0.5;
    const scale = crop / side;
    return Float64Array.from({ length: pixels }, (_, i) => {
      const column = isMirrored ? side - 1 - (i % side) : i % side;
      const at = (place) => Math.min(crop - 1, Math.max(0, (place + 0.5) * scale - 0.5));
      const [x, y] = [at(column), at(Math.floor(i / side))];
      const [left0, top0] = [Math.min(crop - 2, Math.floor(x)), Math.min(crop - 2, Math.floor(y))];
      const [u, v] = [x - left0, y - top0];
      const value = (dx, dy) => photograph[(y0 + top0 + dy) * picture + x0 + left0 + dx] / 255;
      return (
        (1 - v) * ((1 - u) * value(0, 0) + u * value(1, 0)) + v * ((1 - u) * value(0, 1) + u * value(1, 1))
      );
    });
  }

  /** Draws images: `history(i, count)` in the order of time, `test()`. */
  function sourceOf(name) {
    if (name in made) return { history: () => lit(made[name]()), test: () => lit(made[name]()) };
    const bytes = readFileSync(join(pictures, `${name}.png`));
    const photograph = readPlainPng(bytes, { width: picture, height: picture, colour: 'grey' });
    const blocks = Int32Array.from({ length: blocksAcross ** 2 }, (_, i) => i);
    random.shuffle(blocks);
    return {
      // Block after block, so that the newest images, which calibrate, are of other blocks than those that are learned.
      history: (i, count) => cropOf(photograph, blocks[Math.floor((i * historyBlocks) / count)]),
      test: () => cropOf(photograph, blocks[historyBlocks + below(blocks.length - historyBlocks)]),
    };
  }

  const photographs = ['brick', 'grass', 'gravel'].filter(
    (name) => pictures !== undefined && existsSync(join(pictures, `${name}.png`)),
  );

  return { names: [...photographs, ...Object.keys(made)], below, between, sourceOf };
}
