/** Where an image is odd, as a picture: the image in dark grey, overlaid with its odd pixels in red to yellow. */

export interface HeatMapShape {
  /** Pixels. */
  width: number;
  height: number;
  /** Values of a pixel: 1 for grey, 3 for RGB. */
  colours: number;
}

/** Brightness of the image itself, low so that the heat stands out. */
const shade = 0.4;

/** Quantile of the heat that is shown in full: a single extreme pixel does not darken the others. */
const hottest = 0.995;

/**
 * RGB bytes, row by row. Shape [height, width, 3].
 * @param image values in [0, 1], shape [height, width, colours]
 * @param heat of each value, e.g. its distortion less the usual one, in nats; negative values count as 0. The image's shape
 * @param scale heat of a pixel that is shown in full; by default a high quantile of this image
 */
export function paintHeatMap(
  image: ArrayLike<number>,
  heat: ArrayLike<number>,
  { width, height, colours }: HeatMapShape,
  scale?: number,
): Uint8Array {
  const pixels = width * height;
  if (image.length !== pixels * colours || heat.length !== pixels * colours)
    throw new RangeError(
      `an image of ${width} × ${height} × ${colours} has ${pixels * colours} values, got ${image.length} and ` +
        `${heat.length} of heat`,
    );
  const ofPixel = (values: ArrayLike<number>): Float64Array =>
    Float64Array.from({ length: pixels }, (_, i) => {
      let sum = 0;
      for (let colour = 0; colour < colours; colour++) sum += values[i * colours + colour]!;
      return sum;
    });
  const heats = ofPixel(heat).map((value) => Math.max(0, value));
  const brightness = ofPixel(image);
  const sorted = heats.slice().sort();
  const full = scale ?? sorted[Math.min(pixels - 1, Math.floor(hottest * pixels))]!;

  const bytes = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) {
    const share = full > 0 ? Math.min(1, heats[i]! / full) : 0;
    const grey = shade * Math.max(0, Math.min(1, brightness[i]! / colours));
    // Black-body colours: red comes first, then green to make it yellow.
    const colour = [Math.min(1, 2 * share), Math.max(0, 2 * share - 1), 0];
    colour.forEach((part, c) => (bytes[3 * i + c] = Math.round(255 * ((1 - share) * grey + share * part))));
  }
  return bytes;
}
