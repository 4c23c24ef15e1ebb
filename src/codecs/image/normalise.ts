/** Evens out the light of an image: cameras and lamps drift, and no pixel of a darker image is where it was. */
import type { ImageFormat } from '../../domain/image';

/** Mean and standard deviation of the values afterwards, before they are cut off at 0 and 255. */
const [middle, spread] = [128, 48];
/** Largest factor: the noise of an image of one colour must not become a picture. */
const mostGain = 4;

/** The bytes moved to one mean, and scaled to one deviation for `contrast`. All colours alike. */
export function normalised(bytes: Uint8Array, how: ImageFormat['normalise'] = 'none'): Uint8Array {
  if (how === 'none') return bytes;
  const mean = bytes.reduce((sum, value) => sum + value, 0) / bytes.length;
  const variance = bytes.reduce((sum, value) => sum + (value - mean) ** 2, 0) / bytes.length;
  const gain = how === 'contrast' ? Math.min(mostGain, spread / Math.sqrt(variance)) : 1;
  return bytes.map((value) => Math.max(0, Math.min(255, Math.round(middle + gain * (value - mean)))));
}
