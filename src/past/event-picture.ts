/**
 * The most anomalous image of an event, with its anomalous regions marked. It is drawn and compressed on demand, so that no
 * record waits for it.
 */
import { loadSharp } from '../codecs/image/sharp';
import type { OddImage } from '../domain/witnessed-record';

export interface EventPicture {
  /** Surprise of the image in the picture. */
  surprise: number;
  /** A JPEG file in base64; undefined if none can be written on this machine. */
  jpeg: () => Promise<string | undefined>;
}

/** Maximum length of the longer side, pixels: the file of an event has tens of kilobytes. */
const mostPixels = 512;

export function createEventPicture(surprise: number, draw: OddImage): EventPicture {
  let drawn: Promise<string | undefined> | undefined;
  return { surprise, jpeg: () => (drawn ??= compress(draw).catch(() => undefined)) };
}

export function storedPicture(surprise: number, jpeg: string): EventPicture {
  return { surprise, jpeg: () => Promise.resolve(jpeg) };
}

async function compress(draw: OddImage): Promise<string> {
  const { width, height, pixels } = draw();
  const sharp = await loadSharp();
  const jpeg = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .resize({ width: mostPixels, height: mostPixels, fit: 'inside', withoutEnlargement: true })
    .jpeg()
    .toBuffer();
  return jpeg.toString('base64');
}
