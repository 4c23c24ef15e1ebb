/** A PNG that shows where an image does not fit the model. */
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
  const heat = await detector.heat(window);
  const pixels = paintHeatMap(brightness, heat, { width, height, colours: colourChannels(image) });
  const sharp = await loadSharp();
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}
