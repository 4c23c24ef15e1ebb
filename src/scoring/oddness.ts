/**
 * Where an image is odd. The map of oddness has the deviation of each cell (map-cells.ts) divided by the usual deviation at
 * that place. Its connected areas above a level are the regions of a detection.
 */
import { createSurprise, fitTail, type TailState } from '../calibration/tail';
import type { Box, ImageShape } from '../domain/image';
import { mapGrid } from './map-cells';

/** Learned from calibration images. Stored in the version. */
export interface OddnessState {
  /** Mean deviation of each cell. Shape [down, across]. */
  typical: readonly number[];
  /** The oddness that one cell in a hundred exceeds. */
  level: number;
  /** Tail of the largest oddness of each image. */
  peaks: TailState;
}

export interface OddRegion {
  box: Box;
  /** −log10 of the share of normal images with at least this oddness anywhere. */
  surprise: number;
}

export interface OddnessMap {
  across: number;
  down: number;
  /** Oddness of each cell; 1 = as usual. Shape [down, across]. */
  cells: Float64Array;
}

/** Smallest usual deviation of a cell, as a share of the mean over cells. */
const leastShare = 0.1;
/** Maximum number of cells from which the level is computed. */
const mostCells = 200_000;
/**
 * Cells above this share of an area's peak belong to its region. In larger images, features extend over several cells, so cells
 * below half of the peak are next to a defect rather than on it.
 */
const enclosedOf = (pitch: number): number => (pitch === 1 ? 0.3 : 0.5);
const mostRegions = 8;
/** Least surprise of a second or further region: that of one normal image in a hundred. */
const leastSurprise = 2;

/** @param maps of calibration images, shape [down, across] each (map-cells.ts) */
export function fitOddness(maps: readonly Float64Array[]): OddnessState {
  const size = maps[0]!.length;
  const mean = new Float64Array(size);
  for (const map of maps) map.forEach((value, cell) => (mean[cell]! += value / maps.length));
  const ofAll = mean.reduce((sum, value) => sum + value / size, 0);
  // If there is no deviance at all, any scale will do.
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
  /** Oddness of each pixel; 1 = as usual at that place. Shape [height, width]. */
  ofPixels: Float32Array;
  /** Every second normal image has no larger value; 1 in older versions. */
  low: number;
  /** The largest value of one normal image in a hundred; undefined in older versions. */
  high: number | undefined;
  /** Regions of the detection. */
  regions: readonly Box[];
}

/** @param state undefined for older versions without one: all places then have the same weight */
export function createOddness(image: ImageShape, state: OddnessState | undefined) {
  const { width, height } = image;
  const { pitch, across, down } = mapGrid(image);
  const enclosed = enclosedOf(pitch);
  const surpriseOf = state === undefined ? () => 0 : createSurprise(state.peaks);

  /** @param cells deviation of each cell. Shape [down, across] (map-cells.ts) */
  function map(cells: Float64Array): OddnessMap {
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

  /** The oddest regions first; at least one and at most eight. */
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

  /** Interpolates between the centres of cells. Shape [height, width]. */
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

  const peakAt = (share: number): number | undefined =>
    state && state.peaks.scores[Math.floor(share * state.peaks.scores.length)];
  const [low, high] = [peakAt(0.5) ?? 1, peakAt(0.99)];

  return {
    map,
    regions,
    heat: (of: OddnessMap): Heat => ({
      ofPixels: ofPixels(of),
      low,
      high,
      regions: regions(of).map(({ box }) => box),
    }),
  };
}

/** For each pixel of a side, the two cells between whose centres it is, and the weight of the second one. */
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
