/** Draws a PNG that shows where an image is anomalous: its heat map, and the regions in its detection. */
import { loadSharp } from '../../codecs/image/sharp';
import type { ImageShape } from '../../domain/image';
import type { WindowBatch } from '../../domain/window';
import type { Detector } from '../../scoring/detector';
import { paintHeat } from '../../scoring/heat-map';

/** @param window one image */
export async function drawHeatMap(
  detector: Detector,
  window: WindowBatch,
  image: ImageShape,
): Promise<Buffer> {
  const { width, height, pixels } = paintHeat(window.values, image, await detector.heat(window));
  const sharp = await loadSharp();
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}
