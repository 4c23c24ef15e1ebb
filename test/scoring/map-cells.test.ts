/** Maps over images, from what a model says of the cells of its features. */
import type { ImageShape } from '../../src/domain/image';
import { createTiles } from '../../src/domain/tiles';
import { backboneGrid } from '../../src/models/backbone';
import type { ModelSpec } from '../../src/models/model';
import { createMapReader, mapGrid } from '../../src/scoring/map-cells';
import { createSpec } from '../models/spec';

const grey = (width: number, height: number, tile?: number): ImageShape => ({
  width,
  height,
  colour: 'grey',
  ...(tile !== undefined && { tile }),
});

/** The map of an image whose cells of features are as odd as `oddnessOf` says, a logarithm, by their centre. */
function mapOf(
  image: ImageShape,
  oddnessOf: (x: number, y: number, tile: number) => number,
  kind: ModelSpec['oddness'] = true,
): (x: number, y: number) => number {
  const { shape, boxes } = createTiles(image);
  const { down, across } = backboneGrid(shape);
  const oddness = boxes.flatMap((box, tile) =>
    Array.from({ length: down * across }, (_, cell) =>
      oddnessOf(
        box.x + ((cell % across) + 0.5) * (shape.width / across),
        box.y + (Math.floor(cell / across) + 0.5) * (shape.height / down),
        tile,
      ),
    ),
  );
  const read = createMapReader(image, createSpec({ oddness: kind }));
  // The second of two images.
  const none = oddness.map(() => 9);
  const map = read({ deviance: new Float32Array(), oddness: Float32Array.from([...none, ...oddness]) }, 1);
  const grid = mapGrid(image);
  expect(map).toHaveLength(grid.down * grid.across);
  return (x, y) => map[Math.floor(y / grid.pitch) * grid.across + Math.floor(x / grid.pitch)]!;
}

const images: [string, ImageShape][] = [
  ['a square', grey(128, 128)],
  ['a size that is no multiple of cells', grey(100, 69)],
  ['tiles', grey(300, 200, 96)],
];

test.each(images)('cells that are equally odd make an even map: %s', (_, image) => {
  const at = mapOf(image, () => Math.log(3));
  const values: number[] = [];
  for (let y = 0; y < image.height; y++) for (let x = 0; x < image.width; x++) values.push(at(x, y));
  expect(Math.min(...values)).toBeCloseTo(3, 5);
  expect(Math.max(...values)).toBeCloseTo(3, 5);
});

test.each(images)('an odd place is hottest where it is, and fades with the distance: %s', (_, image) => {
  const [oddX, oddY] = [40, 36];
  const at = mapOf(image, (x, y) => (Math.hypot(x - oddX, y - oddY) < 6 ? Math.log(10) : 0));
  const peak = at(oddX, oddY);
  expect(peak).toBeGreaterThan(1.5);
  for (const [dx, dy] of [
    [1, 0],
    [-1, 0],
    [0, 1],
    [0, -1],
  ] as const) {
    expect(at(oddX + 16 * dx, oddY + 16 * dy)).toBeLessThan(0.9 * peak);
    expect(at(oddX + 32 * dx, oddY + 32 * dy)).toBeCloseTo(1, 1);
  }
});

test('where tiles overlap the map is between what they say', () => {
  const image = grey(168, 96, 96);
  // Tiles from 0 to 96 and from 72 to 168.
  const at = mapOf(image, (_x, _y, tile) => (tile === 0 ? 0 : Math.log(4)));
  expect(at(20, 40)).toBeCloseTo(1, 5);
  expect(at(84, 40)).toBeCloseTo(2, 0);
  expect(at(150, 40)).toBeCloseTo(4, 5);
});

test.each(images)('an image that is odd everywhere is as hot as half of its logarithm: %s', (_, image) => {
  const at = mapOf(image, () => Math.log(9), 'relative');
  expect(at(20, 20)).toBeCloseTo(3, 5);
  expect(at(image.width - 1, image.height - 1)).toBeCloseTo(3, 5);
});

test('cells that the bank has leave the others as they are', () => {
  const image = grey(128, 128);
  const known = (x: number, y: number): boolean => x > 64 && y > 64;
  const at = mapOf(image, (x, y) => (known(x, y) ? Math.log(1e-6) : 0), 'relative');
  expect(at(20, 20)).toBeCloseTo(1, 5);
});

test('a cell in the middle of a ring of odd cells is as hot as the ring, and cells outside are not', () => {
  const image = grey(128, 128);
  const ring = (x: number, y: number): number => {
    const far = Math.max(Math.abs(x - 36), Math.abs(y - 36));
    return far > 4 && far < 13 ? Math.log(8) : 0;
  };
  const [open, closed] = ([true, 'relative'] as const).map((kind) => mapOf(image, ring, kind));
  expect(open!(36, 36) / open!(44, 36)).toBeLessThan(0.7);
  expect(closed!(36, 36) / closed!(44, 36)).toBeGreaterThanOrEqual(1);
  expect(closed!(36, 64) / closed!(44, 36)).toBeLessThan(0.3);
});

test('a version whose model does not tell how odd cells are has the deviance of its pixels', () => {
  const image = grey(56, 56);
  const deviance = Float32Array.from({ length: 2 * 56 * 56 }, (_, i) =>
    i === 56 * 56 + 20 * 56 + 30 ? 9 : 0,
  );
  const map = createMapReader(image, createSpec())({ deviance, oddness: new Float32Array() }, 1);
  expect(map.indexOf(Math.max(...map))).toBe(20 * 56 + 30);
});
