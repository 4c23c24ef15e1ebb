/** Draws where an image is odd: the image in dark grey, overlaid with its odd places in red to yellow, and their outlines. */
import { colourChannels, type Box, type ImageShape } from '../domain/image';
import type { Values } from '../domain/record';
import type { DrawnImage } from '../domain/witnessed-record';
import type { Heat } from './oddness';

export interface HeatMapShape {
  /** Pixels. */
  width: number;
  height: number;
  /** Values of a pixel: 1 for grey, 3 for RGB. */
  colours: number;
}

/** Brightness of the image itself, low so that the heat stands out. */
const shade = 0.4;

/** Quantile of the heat that is shown at full brightness: a single extreme pixel does not darken the others. */
const hottest = 0.995;

const outline = [255, 255, 255] as const;

/**
 * RGB bytes, row by row. Shape [height, width, 3].
 * @param image values in [0, 1], shape [height, width, colours]
 * @param heat of each pixel; negative values count as 0. Shape [height, width]
 * @param full heat that is shown at full brightness, unless a high quantile of this image is higher
 * @param boxes to outline
 */
export function paintHeatMap(
  image: ArrayLike<number>,
  heat: ArrayLike<number>,
  { width, height, colours }: HeatMapShape,
  full = 0,
  boxes: readonly Box[] = [],
): Uint8Array {
  const pixels = width * height;
  if (image.length !== pixels * colours || heat.length !== pixels)
    throw new RangeError(
      `an image of ${width} × ${height} × ${colours} has ${pixels * colours} values and ${pixels} of heat, got ` +
        `${image.length} and ${heat.length}`,
    );
  const heats = Float64Array.from(heat, (value) => Math.max(0, value));
  const sorted = heats.slice().sort();
  const most = Math.max(full, sorted[Math.min(pixels - 1, Math.floor(hottest * pixels))]!);

  const bytes = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) {
    const share = most > 0 ? Math.min(1, heats[i]! / most) : 0;
    let brightness = 0;
    for (let colour = 0; colour < colours; colour++) brightness += image[i * colours + colour]! / colours;
    const grey = shade * Math.max(0, Math.min(1, brightness));
    // Black-body colours: red comes first, then green to make it yellow.
    const colour = [Math.min(1, 2 * share), Math.max(0, 2 * share - 1), 0];
    colour.forEach((part, c) => (bytes[3 * i + c] = Math.round(255 * ((1 - share) * grey + share * part))));
  }
  for (const { x, y, width: across, height: down } of boxes)
    for (let row = y; row < y + down; row++)
      for (let column = x; column < x + across; column++)
        if (row === y || row === y + down - 1 || column === x || column === x + across - 1)
          bytes.set(outline, 3 * (row * width + column));
  return bytes;
}

/** Longest side of the drawing. Of a larger image, every n-th pixel of each row and column is drawn. */
const longestSide = 1280;

/** @param bytes of the image, shape [height, width, colours] */
export function paintHeat(
  bytes: Values,
  image: ImageShape,
  { ofPixels, low, high, regions }: Heat,
): DrawnImage {
  const step = Math.ceil(Math.max(image.width, image.height) / longestSide);
  const [width, height] = [Math.ceil(image.width / step), Math.ceil(image.height / step)];
  const colours = colourChannels(image);
  const brightness = new Float64Array(width * height * colours);
  const heat = new Float32Array(width * height);
  for (let y = 0, pixel = 0; y < height; y++)
    for (let x = 0; x < width; x++, pixel++) {
      const from = y * step * image.width + x * step;
      // Heat that every second normal image reaches somewhere stays dark.
      heat[pixel] = ofPixels[from]! - low;
      for (let colour = 0; colour < colours; colour++)
        brightness[pixel * colours + colour] = bytes[from * colours + colour]! / 255;
    }
  const boxes = regions.map((box): Box => {
    const [x, y] = [Math.floor(box.x / step), Math.floor(box.y / step)];
    const [right, bottom] = [Math.ceil((box.x + box.width) / step), Math.ceil((box.y + box.height) / step)];
    return { x, y, width: right - x, height: bottom - y };
  });
  const pixels = paintHeatMap(brightness, heat, { width, height, colours }, high && high - low, boxes);
  return { width, height, pixels };
}
