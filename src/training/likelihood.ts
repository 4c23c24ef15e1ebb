/** Chooses the default p(x|z) of images from the pixels of the training data. */
import type { Values } from '../domain/record';
import type { ModelSpec } from '../models/model';
import type { SharedOptions } from '../models/options';

/**
 * Pixels are dark or bright rather than grey if their variance is a larger share than this of the largest variance that their
 * mean allows. MNIST has 0.84, Fashion-MNIST 0.61, and 0.01 with a sixth of its contrast.
 */
const mostlyDarkOrBright = 0.5;

/**
 * The variance of a Bernoulli distribution follows from its mean, p(1 − p). For dark or bright pixels it is about right, and
 * errors have the largest weight where there is hardly any variance. For grey pixels it is far too large, so that the code
 * carries no information; a Gaussian learns their variance.
 * @param pixels 0 to 255, of any number of images
 */
export function chooseLikelihood(
  choice: SharedOptions['likelihood'],
  pixelsOf: () => Values,
): ModelSpec['likelihood'] {
  if (choice !== 'auto') return choice;
  const pixels = pixelsOf();
  let [sum, squares] = [0, 0];
  for (const pixel of pixels) {
    const value = pixel / 255;
    sum += value;
    squares += value * value;
  }
  const mean = sum / pixels.length;
  const variance = squares / pixels.length - mean * mean;
  return variance > mostlyDarkOrBright * mean * (1 - mean) ? 'bernoulli' : 'gaussian';
}
