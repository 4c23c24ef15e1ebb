/** Tiles of images: they cover it, overlap, and what is cut can be put together again. */
import fc from 'fast-check';
import { colourChannels, imageBytes, type ImageShape } from '../../src/domain/image';
import { createTiles, modelImage, tileCount } from '../../src/domain/tiles';

const images = fc
  .record({
    width: fc.integer({ min: 8, max: 40 }),
    height: fc.integer({ min: 8, max: 40 }),
    colour: fc.constantFrom<ImageShape['colour']>('grey', 'rgb'),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ width, height, colour, share }) => {
    const side = Math.min(width, height);
    return { width, height, colour, tile: Math.max(4, Math.round(share * side)) };
  });

test('every pixel lies in a tile, no tile beyond the border, and neighbours overlap by an eighth', () => {
  fc.assert(
    fc.property(images, (image) => {
      const { boxes } = createTiles(image);
      const seen = new Uint8Array(image.width * image.height);
      for (const { x, y, width, height } of boxes) {
        expect([width, height]).toEqual([image.tile, image.tile]);
        expect(x + width <= image.width && y + height <= image.height).toBe(true);
        for (let row = y; row < y + height; row++)
          seen.fill(1, row * image.width + x, row * image.width + x + width);
      }
      expect(seen.every((one) => one === 1)).toBe(true);
      for (const along of ['x', 'y'] as const) {
        const places = [...new Set(boxes.map((box) => box[along]))];
        // Places are whole pixels.
        places.slice(1).forEach((place, i) => {
          expect(place - places[i]!).toBeLessThanOrEqual(Math.ceil((7 / 8) * image.tile));
        });
      }
      expect(tileCount(image)).toBe(boxes.length);
    }),
  );
});

test('tiles that are cut and added again are the image', () => {
  fc.assert(
    fc.property(images, (image) => {
      const tiles = createTiles(image);
      const bytes = imageBytes(image);
      const ofTile = imageBytes(tiles.shape);
      // Behind another image, whose values must stay out of it.
      const values = Uint8Array.from({ length: 2 * bytes }, (_, i) => (i * 31 + (i >> 4)) % 251);
      const cut = new Uint8Array(2 * ofTile);
      const whole = new Float32Array(2 * bytes);
      tiles.boxes.forEach((_, tile) => {
        tiles.cut(values, bytes, tile, cut, ofTile);
        tiles.add(Float32Array.from(cut), ofTile, tile, whole, bytes);
      });
      expect(whole.subarray(0, bytes).every((value) => value === 0)).toBe(true);
      for (let i = bytes; i < 2 * bytes; i++) expect(Math.abs(whole[i]! - values[i]!)).toBeLessThan(1e-3);
    }),
    { numRuns: 30 },
  );
});

test('a box lies in the tile around it, as far as it fits', () => {
  fc.assert(
    fc.property(images, fc.nat(), fc.nat(), (image, left, top) => {
      const tiles = createTiles(image);
      const side = Math.max(1, Math.floor(image.tile / 8));
      const box = { x: left % (image.width - side + 1), y: top % (image.height - side + 1) };
      const tile = tiles.boxes[tiles.around({ ...box, width: side, height: side })]!;
      for (const along of ['x', 'y'] as const) {
        expect(box[along]).toBeGreaterThanOrEqual(tile[along]);
        expect(box[along] + side).toBeLessThanOrEqual(tile[along] + image.tile);
      }
    }),
  );
});

test('an image without tiles is read whole', () => {
  const image = { width: 30, height: 20, colour: 'rgb' } as const;
  expect(modelImage(image)).toEqual(image);
  expect(modelImage({ ...image, tile: 0 })).toEqual(image);
  expect([tileCount(image), tileCount(undefined)]).toEqual([1, 1]);
  expect(colourChannels(modelImage({ ...image, tile: 16 }))).toBe(3);
});
