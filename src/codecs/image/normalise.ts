/** Normalises the brightness of an image: cameras and lamps drift, and in a darker image every pixel has another value. */
import type { ImageFormat } from '../../domain/image';

/** Mean and standard deviation of the normalised values, before they are clipped to 0 and 255. */
const [middle, spread] = [128, 48];
/** Largest factor: the noise of an image of one colour must not be amplified to a pattern. */
const mostGain = 4;

/** The bytes shifted to a common mean and, for `contrast`, scaled to a common deviation. All colours are treated alike. */
export function normalised(bytes: Uint8Array, how: ImageFormat['normalise'] = 'none'): Uint8Array {
  if (how === 'none') return bytes;
  const mean = bytes.reduce((sum, value) => sum + value, 0) / bytes.length;
  const variance = bytes.reduce((sum, value) => sum + (value - mean) ** 2, 0) / bytes.length;
  const gain = how === 'contrast' ? Math.min(mostGain, spread / Math.sqrt(variance)) : 1;
  return bytes.map((value) => Math.max(0, Math.min(255, Math.round(middle + gain * (value - mean)))));
}
