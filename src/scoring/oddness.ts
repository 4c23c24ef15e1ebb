/**
 * Where an image is odd. The deviance of its pixels is averaged over cells, smoothed, and divided by what is usual at that place:
 * the map of oddness. Connected areas of it above a level are the regions of a detection.
 */
import { createSurprise, fitTail, type TailState } from '../calibration/tail';
import { colourChannels, type Box, type ImageShape } from '../domain/image';

/** Learned from calibration images. Stored in the version. */
export interface OddnessState {
  /** Mean deviance of each cell, in nats. Shape [down, across]. */
  typical: readonly number[];
  /** The oddness that one cell in a hundred exceeds. */
  level: number;
  /** The largest oddness of each image. */
  peaks: TailState;
}

export interface OddRegion {
  box: Box;
  /** −log10 of the share of normal images that are as odd anywhere. */
  surprise: number;
}

export interface OddnessMap {
  across: number;
  down: number;
  /** 1 = as usual. Shape [down, across]. */
  cells: Float64Array;
}

/** Cells along the longer side, at most: enough to outline a defect. */
const cellsPerSide = 56;
/** A cell that hardly varies in normal images counts as this share of the mean. */
const leastShare = 0.1;
/** Cells that the level is computed from, at most. */
const mostCells = 200_000;
/**
 * Share of the peak of an area from which its cells belong to regions. Features of larger images reach over several cells: those beyond
 * half of the peak see a defect next to them.
 */
const enclosedOf = (pitch: number): number => (pitch === 1 ? 0.3 : 0.5);
const mostRegions = 8;
/** Least surprise of a further region: one normal image in a hundred has one. */
const leastSurprise = 2;

/** The same of an image with tiles, as many pixels wide as a cell of the backbone at least. */
const [cellsOfTiles, leastPitch] = [224, 16];

/**
 * Cells of a map: `pitch` pixels wide and high, but for the last ones.
 * @returns `deviation` of the Gaussian that smooths them, in cells: the side of a cell of the largest map of what a model reads
 */
function gridOf({ width, height, tile = 0 }: ImageShape): {
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
  const { pitch, across, down, deviation } = gridOf(image);
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

/** @param maps `deviancesOfCells` of calibration images */
export function fitOddness(maps: readonly Float64Array[]): OddnessState {
  const size = maps[0]!.length;
  const mean = new Float64Array(size);
  for (const map of maps) map.forEach((value, cell) => (mean[cell]! += value / maps.length));
  const ofAll = mean.reduce((sum, value) => sum + value / size, 0);
  // Without any deviance every scale is as good as another.
  const least = ofAll > 0 ? leastShare * ofAll : 1;
  const typical = Array.from(mean, (value) => Number(Math.max(value, least).toPrecision(5)));
  const step = Math.max(1, Math.ceil((size * maps.length) / mostCells));
  const some: number[] = [];
  for (let i = 0; i < size * maps.length; i += step)
    some.push(maps[Math.floor(i / size)]![i % size]! / typical[i % size]!);
  some.sort((a, b) => a - b);
  const peaks = Float64Array.from(maps, (map) =>
    map.reduce((most, value, cell) => Math.max(most, value / typical[cell]!), 0),
  );
  return { typical, level: some[Math.floor(0.99 * some.length)]!, peaks: fitTail(peaks) };
}

/** How odd each pixel of an image is. */
export interface Heat {
  /** 1 = as usual at that place. Shape [height, width]. */
  ofPixels: Float32Array;
  /** The largest value in one normal image of a hundred; undefined if the version does not know it. */
  high: number | undefined;
  /** The regions that a detection names. */
  regions: readonly Box[];
}

/** @param state undefined for versions without one: every place then counts alike */
export function createOddness(image: ImageShape, state: OddnessState | undefined) {
  const { width, height } = image;
  const { pitch, across, down } = gridOf(image);
  const enclosed = enclosedOf(pitch);
  const surpriseOf = state === undefined ? () => 0 : createSurprise(state.peaks);

  function map(deviance: Float32Array): OddnessMap {
    const cells = deviancesOfCells(image, deviance);
    const mean = cells.reduce((sum, value) => sum + value / cells.length, 0) || 1;
    return { across, down, cells: cells.map((value, cell) => value / (state?.typical[cell] ?? mean)) };
  }

  function boxOf(cells: readonly number[]): Box {
    const [xs, ys] = [cells.map((cell) => cell % across), cells.map((cell) => Math.floor(cell / across))];
    const [x, y] = [pitch * Math.min(...xs), pitch * Math.min(...ys)];
    const right = Math.min(width, pitch * (Math.max(...xs) + 1));
    const bottom = Math.min(height, pitch * (Math.max(...ys) + 1));
    return { x, y, width: right - x, height: bottom - y };
  }

  /** The oddest first; at least one, and at most 8. */
  function regions({ cells }: OddnessMap): OddRegion[] {
    const peak = cells.reduce((most, value) => Math.max(most, value), 0);
    const level = state !== undefined && peak >= state.level ? state.level : enclosed * peak;
    const peakOf = (area: readonly number[]): number =>
      area.reduce((most, cell) => Math.max(most, cells[cell]!), 0);
    return areasAbove(cells, across, level)
      .flatMap((area) => {
        const inside = new Float64Array(cells.length).fill(-1);
        for (const cell of area) inside[cell] = cells[cell]!;
        return areasAbove(inside, across, enclosed * peakOf(area));
      })
      .map((area) => ({ peak: peakOf(area), box: boxOf(area), surprise: surpriseOf(peakOf(area)) }))
      .sort((a, b) => b.peak - a.peak)
      .filter(({ surprise }, i) => i === 0 || surprise >= leastSurprise)
      .slice(0, mostRegions)
      .map(({ box, surprise }) => ({ box, surprise }));
  }

  /** Between the centres of cells by distance. Shape [height, width]. */
  function ofPixels({ cells }: OddnessMap): Float32Array {
    const [ofX, ofY] = [placesOf(width, across, pitch), placesOf(height, down, pitch)];
    const heat = new Float32Array(width * height);
    for (let y = 0; y < height; y++) {
      const [top, bottom, dy] = ofY[y]!;
      for (let x = 0; x < width; x++) {
        const [left, right, dx] = ofX[x]!;
        const row = (at: number): number =>
          (1 - dx) * cells[at * across + left]! + dx * cells[at * across + right]!;
        heat[y * width + x] = (1 - dy) * row(top) + dy * row(bottom);
      }
    }
    return heat;
  }

  const high = state && state.peaks.scores[Math.floor(0.99 * state.peaks.scores.length)];

  return {
    map,
    regions,
    heat: (of: OddnessMap): Heat => ({
      ofPixels: ofPixels(of),
      high,
      regions: regions(of).map(({ box }) => box),
    }),
  };
}

/** For each pixel of a side the two cells that it lies between, and the share of the second. */
function placesOf(pixels: number, cells: number, pitch: number): [number, number, number][] {
  return Array.from({ length: pixels }, (_, at) => {
    const place = Math.max(0, Math.min(cells - 1, (at + 0.5) / pitch - 0.5));
    const first = Math.floor(place);
    return [first, Math.min(cells - 1, first + 1), place - first];
  });
}

/** The cells of each connected area, diagonals included, whose values reach a level. */
function areasAbove(cells: Float64Array, across: number, level: number): number[][] {
  const seen = new Uint8Array(cells.length);
  const down = cells.length / across;
  const areas: number[][] = [];
  for (let start = 0; start < cells.length; start++) {
    if (seen[start] === 1 || !(cells[start]! >= level)) continue;
    const area = [start];
    seen[start] = 1;
    for (let next = 0; next < area.length; next++) {
      const [x, y] = [area[next]! % across, Math.floor(area[next]! / across)];
      for (let v = Math.max(0, y - 1); v <= Math.min(down - 1, y + 1); v++)
        for (let u = Math.max(0, x - 1); u <= Math.min(across - 1, x + 1); u++) {
          const cell = v * across + u;
          if (seen[cell] === 1 || !(cells[cell]! >= level)) continue;
          seen[cell] = 1;
          area.push(cell);
        }
    }
    areas.push(area);
  }
  return areas;
}
