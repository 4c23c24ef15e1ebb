/** Which p(x|z) images have, where nobody says: by the pixels that there are to learn from. */
import type { Values } from '../domain/record';
import type { ModelChoice, ModelOptions } from '../models/model';

/**
 * Share of the variance that pixels of their mean could have at most, from which on they are dark or bright rather than grey.
 * The digits of MNIST have 0.84, the clothes of Fashion-MNIST 0.61, and with a sixth of their contrast 0.01.
 */
const mostlyDarkOrBright = 0.5;

/**
 * Bernoulli's variance follows from the mean, p(1 − p): where pixels are dark or bright that is about what they have, and an error
 * weighs most where there is hardly any. Of pixels that are grey it is far too much, and the code says nothing any more; a Gaussian
 * learns what variance they have.
 * @param pixels 0 to 255, of any number of images
 */
export function chooseLikelihood(
  choice: ModelChoice['likelihood'],
  pixels: Values,
): ModelOptions['likelihood'] {
  if (choice !== 'auto') return choice;
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
