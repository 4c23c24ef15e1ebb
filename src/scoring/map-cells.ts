/**
 * How much the cells of a map over an image deviate, ≥ 0, before the comparison with the usual deviation there: the deviance of
 * their pixels or, if the model reports it, that of the nearest cells of features.
 */
import { colourChannels, imageBytes, type ImageShape } from '../domain/image';
import { createTiles } from '../domain/tiles';
import { backboneGrid } from '../models/backbone';
import type { ModelSpec } from '../models/model';
import type { MapReader } from './assessor';

/** Maximum number of cells along the longer side: enough to outline a defect. */
const cellsPerSide = 56;
/**
 * For an image with tiles: maximum number of cells along the longer side, and least width of a cell in pixels, that of a
 * backbone cell.
 */
const [cellsOfTiles, leastPitch] = [224, 16];

/**
 * Cells of a map: `pitch` pixels wide and high, except the last ones.
 * @returns `deviation`: that of the Gaussian that smooths the map, in cells. It is 1/56 of the longer side of the model's input,
 * tile or image
 */
export function mapGrid({ width, height, tile = 0 }: ImageShape): {
  pitch: number;
  across: number;
  down: number;
  deviation: number;
} {
  const side = Math.max(width, height);
  const pitch =
    tile === 0 ? Math.ceil(side / cellsPerSide) : Math.max(leastPitch, Math.ceil(side / cellsOfTiles));
  const deviation = (tile === 0 ? side : tile) / cellsPerSide / pitch;
  return { pitch, across: Math.ceil(width / pitch), down: Math.ceil(height / pitch), deviation };
}

/** Smoothed means of the cells of one image, from the deviance of its values. */
export function deviancesOfCells(image: ImageShape, deviance: Float32Array): Float64Array {
  const { width, height } = image;
  const { pitch, across, down, deviation } = mapGrid(image);
  const colours = colourChannels(image);
  const sums = new Float64Array(across * down);
  const counts = new Float64Array(across * down);
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const cell = Math.floor(y / pitch) * across + Math.floor(x / pitch);
      counts[cell]!++;
      for (let colour = 0; colour < colours; colour++, i++) sums[cell]! += deviance[i]!;
    }
  const kernel = [0, 1, 2].map((distance) => Math.exp(-0.5 * (distance / deviation) ** 2));
  return smooth(
    sums.map((sum, cell) => sum / counts[cell]!),
    across,
    down,
    kernel,
  );
}

function smooth(cells: Float64Array, across: number, down: number, kernel: readonly number[]): Float64Array {
  const along = (from: Float64Array, count: number, other: number, step: number, otherStep: number) => {
    const to = new Float64Array(from.length);
    for (let o = 0; o < other; o++)
      for (let i = 0; i < count; i++) {
        let [sum, weights] = [0, 0];
        for (let k = Math.max(0, i - 2); k <= Math.min(count - 1, i + 2); k++) {
          const weight = kernel[Math.abs(k - i)]!;
          sum += weight * from[o * otherStep + k * step]!;
          weights += weight;
        }
        to[o * otherStep + i * step] = sum / weights;
      }
    return to;
  };
  return along(along(cells, across, down, 1, across), down, across, across, 1);
}

/**
 * Deviation of the Gaussian that weights a cell of features, in sides of the cell; with a larger one, boxes are too large
 * (docs/quality.md).
 */
const featureDeviation = 0.5;
/**
 * Least deviation of that Gaussian, in cells of the map: with a smaller one, a cell of features between the centres of map
 * cells would be ignored.
 */
const leastDeviation = 0.5;

/** Weights of the cells of features along a side for one place; they sum to 1. */
interface Share {
  cell: number;
  weight: number;
}

/** @param image whose cells of features have a logarithm of their deviation, tile after tile. Shape [tiles, down, across] */
function createFeatureReader(image: ImageShape): {
  /** Number of cells of features of an image. */
  size: number;
  read: (oddness: Float32Array) => Float64Array;
} {
  const map = mapGrid(image);
  const { shape, boxes } = createTiles(image);
  const { down, across } = backboneGrid(shape);
  const xs = [...new Set(boxes.map(({ x }) => x))];
  const ys = [...new Set(boxes.map(({ y }) => y))];
  const ofX = sharesAlong(image.width, map.across, map.pitch, xs, shape.width / across, across);
  const ofY = sharesAlong(image.height, map.down, map.pitch, ys, shape.height / down, down);
  /** Index of the first cell of features of tile `tileX` in a row over all tiles. */
  const rowAt = (row: number, tileX: number): number =>
    ((Math.floor(row / down) * xs.length + tileX) * down + (row % down)) * across;

  function read(oddness: Float32Array): Float64Array {
    const rows = Array.from({ length: ys.length * down }, (_, row) =>
      ofX.map((shares) =>
        shares.reduce(
          (sum, { cell, weight }) =>
            sum + weight * oddness[rowAt(row, Math.floor(cell / across)) + (cell % across)]!,
          0,
        ),
      ),
    );
    return Float64Array.from({ length: map.down * map.across }, (_, i) => {
      const [y, x] = [Math.floor(i / map.across), i % map.across];
      return Math.exp(ofY[y]!.reduce((sum, { cell, weight }) => sum + weight * rows[cell]![x]!, 0));
    });
  }

  return { size: boxes.length * down * across, read };
}

/**
 * @param places number of map cells along the side, `pitch` pixels each
 * @param starts first pixel of each tile, which has `cells` cells of features, `size` pixels wide
 */
function sharesAlong(
  pixels: number,
  places: number,
  pitch: number,
  starts: readonly number[],
  size: number,
  cells: number,
): Share[][] {
  const centres = starts.flatMap((start) =>
    Array.from({ length: cells }, (_, i) => start + (i + 0.5) * size),
  );
  const deviation = Math.max(featureDeviation * size, leastDeviation * pitch);
  return Array.from({ length: places }, (_, place) => {
    const at = (pitch * place + Math.min(pixels, pitch * (place + 1))) / 2;
    const near = centres
      .map((centre, cell) => ({ cell, distance: Math.abs(centre - at) / deviation }))
      .filter(({ distance }) => distance < 3)
      .map(({ cell, distance }) => ({ cell, weight: Math.exp(-0.5 * distance ** 2) }));
    const sum = near.reduce((all, { weight }) => all + weight, 0);
    return near.map(({ cell, weight }) => ({ cell, weight: weight / sum }));
  });
}

/**
 * Share of the usual oddness of an image's cells that is subtracted: odd images are not hot everywhere, yet a wholly odd one is
 * hot.
 */
const ownShare = 0.5;

/**
 * Oddness in comparison with that of the image, after a closing over 3 × 3 cells of each tile (the least of the largest values
 * around a cell), which fills what the edges of a defect enclose.
 * @param oddness shape [tiles, down, across]
 */
function relativeOddness(oddness: Float32Array, down: number, across: number): Float32Array {
  const usual = usualOf(oddness);
  const closed = new Float32Array(oddness.length);
  for (let from = 0; from < oddness.length; from += down * across) {
    const tile = oddness.subarray(from, from + down * across);
    const largest = ofNeighbours(tile, down, across, Math.max);
    closed.set(ofNeighbours(largest, down, across, Math.min), from);
  }
  return closed.map((value) => value - ownShare * usual);
}

/**
 * The mean, with the median in place of lower values: cells that are in the bank of typical ones, as those of images of the
 * training, have a distance of 0, and would make the others look odd.
 */
function usualOf(oddness: Float32Array): number {
  const median = oddness.slice().sort()[oddness.length >> 1]!;
  return oddness.reduce((sum, value) => sum + Math.max(value, median) / oddness.length, 0);
}

/** The largest or the least of the up to 3 × 3 values around each cell. */
function ofNeighbours(
  cells: Float32Array,
  down: number,
  across: number,
  choose: (a: number, b: number) => number,
): Float32Array {
  return cells.map((own, cell) => {
    const [y, x] = [Math.floor(cell / across), cell % across];
    let chosen = own;
    for (let v = Math.max(0, y - 1); v <= Math.min(down - 1, y + 1); v++)
      for (let u = Math.max(0, x - 1); u <= Math.min(across - 1, x + 1); u++)
        chosen = choose(chosen, cells[v * across + u]!);
    return chosen;
  });
}

export function createMapReader(image: ImageShape, { oddness: kind }: ModelSpec): MapReader {
  const rowOf = (values: Float32Array, window: number, size: number): Float32Array =>
    values.subarray(window * size, (window + 1) * size);
  if (kind === undefined)
    return ({ deviance }, window) => deviancesOfCells(image, rowOf(deviance, window, imageBytes(image)));
  const { size, read } = createFeatureReader(image);
  if (kind !== 'relative') return ({ oddness }, window) => read(rowOf(oddness, window, size));
  const { down, across } = backboneGrid(createTiles(image).shape);
  return ({ oddness }, window) => read(relativeOddness(rowOf(oddness, window, size), down, across));
}
