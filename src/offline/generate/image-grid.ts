/** Draws many small images as one PNG. */
import { colourChannels, imageBytes, type ImageShape } from '../../domain/image';
import { loadSharp } from '../../codecs/image/sharp';

/** Pixels between two images, and around the grid. */
const gap = 1;

/**
 * A PNG with the images row by row, as nearly square as possible.
 * @param values bytes, shape [count, height, width, colours]
 */
export async function encodeGrid(values: ArrayLike<number>, image: ImageShape): Promise<Buffer> {
  const sharp = await loadSharp();
  const channels = colourChannels(image);
  const count = values.length / imageBytes(image);
  const across = Math.ceil(Math.sqrt(count));
  const width = across * (image.width + gap) + gap;
  const height = Math.ceil(count / across) * (image.height + gap) + gap;
  const pixels = new Uint8Array(width * height * channels).fill(frameBrightness);
  const rowBytes = image.width * channels;
  for (let i = 0; i < count; i++) {
    const left = gap + (i % across) * (image.width + gap);
    const top = gap + Math.floor(i / across) * (image.height + gap);
    for (let y = 0; y < image.height; y++) {
      const to = ((top + y) * width + left) * channels;
      const from = (i * image.height + y) * rowBytes;
      for (let j = 0; j < rowBytes; j++) pixels[to + j] = Math.round(values[from + j]!);
    }
  }
  return sharp(pixels, { raw: { width, height, channels } })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .png()
    .toBuffer();
}

const frameBrightness = 96;
