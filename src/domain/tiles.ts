/** Tiles of a large image: overlapping squares, all of one size, that cover it. A model reads them one by one. */
import { colourChannels, imageBytes, type Box, type ImageShape } from './image';
import type { Values } from './record';
import type { RecordColumns, WindowBatch } from './window';

/** Least overlap of two neighbours, as a share of the side: a defect on the border of one tile is complete in the other. */
const leastOverlap = 1 / 8;

/** What a model reads of an image: one tile, or the whole image if it has no tiles. */
export function modelImage({ width, height, colour, tile = 0 }: ImageShape): ImageShape {
  return tile === 0 ? { width, height, colour } : { width: tile, height: tile, colour };
}

/** Number of parts that a model reads of an image. */
export function tileCount(image: ImageShape | undefined): number {
  return image?.tile ? createTiles(image).boxes.length : 1;
}

export interface Tiles {
  /** The shape of a tile. */
  readonly shape: ImageShape;
  /** Tiles in the image, row by row. */
  readonly boxes: readonly Box[];
  /** Copies the values of a tile, row by row. @param from index of the image's first value */
  cut(values: Values, from: number, tile: number, into: Values, at: number): void;
  /** Appends a tile of the image in row `row` to a batch of tiles, with the conditions and the time of the image. */
  append(images: RecordColumns, row: number, key: string, tile: number, to: WindowBatch): void;
  /**
   * Adds the values of a tile to those of the image. Overlapping tiles are weighted, so that the image gets their mean.
   * @param at index of the image's first value
   */
  add(ofTile: Float32Array, from: number, tile: number, into: Float32Array, at: number): void;
  /** The tile whose centre is nearest to that of a box. */
  around(box: Box): number;
}

/** @param image must be at least as large as its tile */
export function createTiles(image: ImageShape): Tiles {
  const shape = modelImage(image);
  const colours = colourChannels(image);
  const [xs, ys] = [placesOf(image.width, shape.width), placesOf(image.height, shape.height)];
  const boxes = ys.flatMap((y) => xs.map((x): Box => ({ x, y, width: shape.width, height: shape.height })));
  const [acrossX, downY] = [countsOf(xs, shape.width, image.width), countsOf(ys, shape.height, image.height)];
  const rowValues = shape.width * colours;
  const rowOf = ({ x, y }: Box, row: number): number => ((y + row) * image.width + x) * colours;

  const [imageValues, tileValues] = [imageBytes(image), imageBytes(shape)];

  const cut: Tiles['cut'] = (values, from, tile, into, at) => {
    for (let row = 0; row < shape.height; row++) {
      const start = from + rowOf(boxes[tile]!, row);
      into.set(values.subarray(start, start + rowValues), at + row * rowValues);
    }
  };

  return {
    shape,
    boxes,
    cut,
    append({ values, conditions, timestamps }, row, key, tile, to) {
      const at = to.count++;
      const given = conditions.length / timestamps.length;
      cut(values, row * imageValues, tile, to.values, at * tileValues);
      to.conditions.set(conditions.subarray(row * given, (row + 1) * given), at * given);
      to.timestamps[at] = timestamps[row]!;
      to.keys[at] = key;
    },
    add(ofTile, from, tile, into, at) {
      const box = boxes[tile]!;
      for (let row = 0, i = from; row < shape.height; row++) {
        const start = at + rowOf(box, row);
        for (let value = 0; value < rowValues; value++, i++) {
          const times = acrossX[box.x + Math.floor(value / colours)]! * downY[box.y + row]!;
          into[start + value]! += ofTile[i]! / times;
        }
      }
    },
    around({ x, y, width, height }) {
      const distance = (tile: Box): number =>
        Math.hypot(tile.x + tile.width / 2 - x - width / 2, tile.y + tile.height / 2 - y - height / 2);
      return boxes.reduce((best, tile, i) => (distance(tile) < distance(boxes[best]!) ? i : best), 0);
    },
  };
}

/** Where tiles begin along a side: the first at 0, the last at the end, evenly spread. */
function placesOf(side: number, tile: number): number[] {
  const room = side - tile;
  const steps = Math.ceil(room / (tile * (1 - leastOverlap)));
  return Array.from({ length: steps + 1 }, (_, i) => (steps === 0 ? 0 : Math.round((i * room) / steps)));
}

/** Number of tiles over each pixel of a side. */
function countsOf(places: readonly number[], tile: number, side: number): Uint8Array {
  const counts = new Uint8Array(side);
  for (const place of places) for (let i = place; i < place + tile; i++) counts[i]!++;
  return counts;
}
