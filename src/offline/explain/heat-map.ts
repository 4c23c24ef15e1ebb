/** A PNG that shows where an image is odd: its heat map, and the regions that its detection names. */
import { loadSharp } from '../../codecs/image/sharp';
import { colourChannels, type ImageShape } from '../../domain/image';
import type { WindowBatch } from '../../domain/window';
import type { Detector } from '../../scoring/detector';
import { paintHeatMap } from '../../scoring/heat-map';

/** @param window one image */
export async function drawHeatMap(
  detector: Detector,
  window: WindowBatch,
  image: ImageShape,
): Promise<Buffer> {
  const { width, height } = image;
  const brightness = Float64Array.from(window.values, (byte) => byte / 255);
  const { ofPixels, high, regions } = await detector.heat(window);
  const shape = { width, height, colours: colourChannels(image) };
  // Usual places stay dark.
  const heat = ofPixels.map((oddness) => oddness - 1);
  const pixels = paintHeatMap(brightness, heat, shape, high && high - 1, regions);
  const sharp = await loadSharp();
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}
