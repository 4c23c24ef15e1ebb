/**
 * Adam (Kingma & Ba 2015, algorithm 1) on plain arrays, in one pass over the memory: as operators of a graph, an update would
 * pass over it some ten times.
 */

/** Longer gradients are clipped to this norm (Pascanu 2013), so that one unusual batch does not undo an epoch. */
const maxGradientNorm = 100;

const [decay, squareDecay, epsilon] = [0.9, 0.999, 1e-7];

export interface StepResult {
  /** Loss before the step. */
  loss: number;
  /** Norm of the gradient. */
  norm: number;
  /** Whether the step was skipped, because the loss or the gradient was not finite. */
  skipped: boolean;
}

/** The moments of the gradients of some variables. */
interface Moments {
  /** m / (1 − β₁): without the factor an update has fewer operations. */
  first: Float32Array;
  /** v / (1 − β₂). */
  second: Float32Array;
}

export class Adam {
  private readonly moments: readonly Moments[];
  /** Steps taken, without skipped ones. */
  private taken = 0;

  /** @param sizes numbers of values of the variables */
  constructor(
    sizes: readonly number[],
    private readonly learningRate: number,
  ) {
    this.moments = sizes.map((size) => ({ first: new Float32Array(size), second: new Float32Array(size) }));
  }

  /** Forgets all steps. */
  reset(): void {
    this.taken = 0;
    for (const { first, second } of this.moments) {
      first.fill(0);
      second.fill(0);
    }
  }

  /**
   * Changes the weights of the variables in place. A step whose loss or gradient is not finite changes nothing.
   * @param gradients of the loss, in the order of the weights
   */
  step(loss: number, weights: readonly Float32Array[], gradients: readonly Float32Array[]): StepResult {
    const norm = Math.sqrt(gradients.reduce((sum, gradient) => sum + squaredNorm(gradient), 0));
    if (!Number.isFinite(loss) || !Number.isFinite(norm)) return { loss, norm, skipped: true };
    this.taken++;
    const shrink = Math.min(1, maxGradientNorm / norm);
    // θ ← θ − α·m̂ / (√v̂ + ε) with m̂ = (1 − β₁)·first / (1 − β₁ᵗ) and v̂ = (1 − β₂)·second / (1 − β₂ᵗ), with all factors
    // combined.
    const scale = Math.sqrt((1 - squareDecay) / (1 - squareDecay ** this.taken));
    const rate = (this.learningRate * (1 - decay)) / (1 - decay ** this.taken) / scale;
    this.moments.forEach((moments, i) =>
      update(weights[i]!, moments, gradients[i]!, { shrink, rate, least: epsilon / scale }),
    );
    return { loss, norm, skipped: false };
  }
}

function squaredNorm(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  return sum;
}

function update(
  weights: Float32Array,
  { first, second }: Moments,
  gradient: Float32Array,
  { shrink, rate, least }: { shrink: number; rate: number; least: number },
): void {
  for (let i = 0; i < weights.length; i++) {
    const clipped = gradient[i]! * shrink;
    const mean = decay * first[i]! + clipped;
    const square = squareDecay * second[i]! + clipped * clipped;
    first[i] = mean;
    second[i] = square;
    weights[i]! -= (rate * mean) / (Math.sqrt(square) + least);
  }
}
