/**
 * The default length of a training. It is a number of steps, because the length of an epoch depends on the number of windows.
 */

export interface Effort {
  epochs: number;
  batchSize: number;
  /** Epochs without improvement before training ends. */
  patience: number;
  learningRate: number;
}

/** Number of steps after which the loss of windows of a few hundred values has settled. */
const usualSteps = 5000;
const epochLimits = { min: 10, max: 300 };
const patienceLimits = { min: 5, max: 40 };

/**
 * Effort by the number of windows to fit. With few windows batches are smaller, so that an epoch has more than a few steps.
 */
const byWindows: readonly { upTo: number; batchSize: number; learningRate: number }[] = [
  { upTo: 1000, batchSize: 32, learningRate: 0.002 },
  { upTo: 8000, batchSize: 64, learningRate: 0.002 },
  { upTo: Infinity, batchSize: 128, learningRate: 0.001 },
];

/**
 * @param given configured values; 0 = choose
 * @param windows number of windows to fit
 */
export function chooseEffort(given: Effort, windows: number): Effort {
  const usual = byWindows.find(({ upTo }) => windows <= upTo)!;
  const batchSize = given.batchSize || usual.batchSize;
  const stepsPerEpoch = Math.max(1, Math.ceil(windows / batchSize));
  const epochs = given.epochs || clamp(Math.ceil(usualSteps / stepsPerEpoch), epochLimits);
  return {
    epochs,
    batchSize,
    patience: given.patience || clamp(Math.ceil(epochs / 8), patienceLimits),
    learningRate: given.learningRate || usual.learningRate,
  };
}

function clamp(value: number, { min, max }: { min: number; max: number }): number {
  return Math.min(max, Math.max(min, value));
}
