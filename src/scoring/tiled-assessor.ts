/**
 * Assesses images that a model reads tile by tile (domain/tiles.ts). A statistic of an image is that of its most unusual tiles,
 * and is calibrated in this form. Contributions and expected values of the tiles are combined over the image.
 */
import type { Standard } from '../calibration/evidence';
import { colourChannels, type ImageShape } from '../domain/image';
import { createTiles } from '../domain/tiles';
import { createWindowBatch, type WindowBatch } from '../domain/window';
import type { Assessor, RawScores } from './assessor';
import { createImageMap, regionsOf } from './contributions';
import { engineRows } from './encode';
import { createMapReader } from './map-cells';
import { scaleOf } from './statistics';
import { modelState, shapeOf, type LearnedState } from './version-state';

/**
 * Maximum number of values in the tiles that are assessed at once, unless the smallest number of tiles has more: bounds memory.
 */
const valuesAtOnce = 250_000;
const fewestTiles = 4;

/** @param createInner creates the assessor of the tiles, for the state of the model */
export function createTiledAssessor(
  state: LearnedState & { image: ImageShape },
  createInner: (state: LearnedState) => Assessor,
): Assessor {
  const { image } = state;
  const inner = createInner(modelState(state));
  const shape = shapeOf(state);
  const tiles = createTiles(image);
  const dim = shape.channels;
  const tileDim = inner.shape.channels;
  const fitting = fewestTiles * Math.floor(valuesAtOnce / tileDim / fewestTiles);
  const atOnce = Math.max(fewestTiles, Math.min(engineRows, fitting));
  /** Each batch has its own batch of tiles, as several batches may be assessed alternately. */
  const batchesOfTiles = new WeakMap<WindowBatch, WindowBatch>();
  const single = createWindowBatch(inner.shape, 1);
  const channelMap = createImageMap(image);
  /** Number of values of each region. */
  const sizes = regionsOf(image).regions.map(({ pixels }) => pixels * colourChannels(image));

  const append = (from: WindowBatch, window: number, tile: number, to: WindowBatch): void =>
    tiles.append(from, window, from.keys[window]!, tile, to);

  /** Means over the regions of images. Shape [count, values of an image] → [count, regions]. */
  function meansOfRegions(values: Float32Array, count: number): Float32Array {
    const means = new Float32Array(count * channelMap.channels);
    for (let window = 0; window < count; window++)
      channelMap.writeActual(values, window * dim, means, window * channelMap.channels);
    return means;
  }

  async function assess(batch: WindowBatch): Promise<RawScores> {
    const { count } = batch;
    const some = batchesOfTiles.get(batch) ?? createWindowBatch(inner.shape, atOnce);
    batchesOfTiles.set(batch, some);
    const statistics: Record<string, Float64Array> = {};
    const ofTiles: Record<string, Float64Array> = {};
    const deviance = new Float32Array(count * dim);
    const expectedValues = new Float32Array(count * dim);
    let oddness: Float32Array | undefined;
    let unknownConditions = 0;
    for (let window = 0; window < count; window++) {
      for (let first = 0; first < tiles.boxes.length; first += atOnce) {
        some.count = 0;
        const last = Math.min(tiles.boxes.length, first + atOnce);
        for (let tile = first; tile < last; tile++) append(batch, window, tile, some);
        const raw = await inner.assess(some);
        for (const [name, values] of Object.entries(raw.statistics))
          (ofTiles[name] ??= new Float64Array(tiles.boxes.length)).set(Array.from(values), first);
        const cells = raw.oddness.length / some.count;
        oddness ??= new Float32Array(count * tiles.boxes.length * cells);
        oddness.set(raw.oddness, (window * tiles.boxes.length + first) * cells);
        for (let i = 0; i < some.count; i++) {
          tiles.add(raw.deviance, i * tileDim, first + i, deviance, window * dim);
          tiles.add(raw.expectedValues, i * tileDim, first + i, expectedValues, window * dim);
        }
        // Counted once per image, as each tile has the conditions of the image.
        if (first === 0) unknownConditions += raw.unknownConditions / some.count;
      }
      for (const [name, values] of Object.entries(ofTiles))
        (statistics[name] ??= new Float64Array(count))[window] = worst(values, scaleOf(name));
    }
    return {
      statistics,
      contributions: meansOfRegions(deviance, count).map((mean, i) => mean * sizes[i % sizes.length]!),
      meanErrors: new Float32Array(),
      expected: meansOfRegions(expectedValues, count),
      deviations: new Float32Array(),
      deviance,
      expectedValues,
      oddness: oddness ?? new Float32Array(),
      unknownConditions,
    };
  }

  return {
    ...inner,
    shape,
    image,
    channelMap,
    readMap: createMapReader(image, state.spec),
    tiles: {
      image: tiles.shape,
      shape: inner.shape,
      around(batch, window, box) {
        const tile = tiles.around(box);
        single.count = 0;
        append(batch, window, tile, single);
        return { batch: single, tile: tiles.boxes[tile]! };
      },
    },
    assess,
  };
}

/**
 * For a statistic that varies by factors: the mean of the eighth powers, as for the cells of a tile (models/worst-cells.ts).
 * The worst few tiles have the most weight, and it varies less among normal images than the largest value. For other
 * statistics, which may be negative: the largest value.
 */
function worst(values: Float64Array, scale: Standard['scale']): number {
  const most = values.reduce((largest, value) => Math.max(largest, value), -Infinity);
  if (scale === 'linear' || !(most > 0)) return most;
  const mean = values.reduce((sum, value) => sum + Math.max(0, value / most) ** 8 / values.length, 0);
  return most * mean ** (1 / 8);
}
