/** The odd regions of an image, which its detection contains instead of channels. */
import { largestSurprise } from '../calibration/threshold';
import { colourChannels, nameOfBox, type Box, type ImageShape } from '../domain/image';
import type { Contribution } from '../domain/detection';
import type { Values } from '../domain/record';
import type { Scaler } from '../domain/scaler';
import type { OddRegion } from './oddness';

/** The values of one image. Shape [height, width, colours] each. */
export interface ImageValues {
  /** Actual values, bytes. */
  actual: Values;
  /** Expected values, scaled. */
  expected: Float32Array;
  /** Deviance of each value, in nats. */
  deviance: Float32Array;
}

/** Whether a value, given by its index, is in a region. */
export function isInside(regions: readonly OddRegion[], image: ImageShape): (value: number) => boolean {
  const inside = new Uint8Array(image.width * image.height);
  for (const { box } of regions) eachPixel(box, image, (pixel) => (inside[pixel] = 1));
  const colours = colourChannels(image);
  return (value) => inside[Math.floor(value / colours)] === 1;
}

/** The parts of regions that are in a tile, in coordinates of the tile. */
export function within(regions: readonly OddRegion[], tile: Box): OddRegion[] {
  return regions.flatMap(({ box, surprise }) => {
    const [x, y] = [Math.max(0, box.x - tile.x), Math.max(0, box.y - tile.y)];
    const width = Math.min(tile.width, box.x + box.width - tile.x) - x;
    const height = Math.min(tile.height, box.y + box.height - tile.y) - y;
    return width > 0 && height > 0 ? [{ box: { x, y, width, height }, surprise }] : [];
  });
}

/** Contribution in nats, and the mean actual and expected value, of each region. */
export function describeRegions(
  regions: readonly OddRegion[],
  image: ImageShape,
  { actual, expected, deviance }: ImageValues,
  scaler: Pick<Scaler, 'unscale' | 'channels'>,
): Contribution[] {
  const colours = colourChannels(image);
  return regions.map(({ box, surprise }) => {
    const values = box.width * box.height * colours;
    const sums = { nats: 0, actual: 0, expected: 0 };
    eachPixel(box, image, (pixel) => {
      for (let i = pixel * colours; i < (pixel + 1) * colours; i++) {
        sums.nats += deviance[i]!;
        sums.actual += actual[i]!;
        sums.expected += scaler.unscale(expected[i]!, i % scaler.channels);
      }
    });
    return {
      channel: nameOfBox(box),
      region: box,
      contribution: sums.nats,
      surprise: Math.min(largestSurprise, surprise),
      actual: sums.actual / values,
      expected: sums.expected / values,
      repeats: 0,
    };
  });
}

function eachPixel({ x, y, width, height }: Box, image: ImageShape, visit: (pixel: number) => void): void {
  for (let row = y; row < y + height; row++)
    for (let column = x; column < x + width; column++) visit(row * image.width + column);
}
