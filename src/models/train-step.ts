/**
 * One training step of one phase: loss, gradients, and the update of Adam (Kingma & Ba 2015, algorithm 1). `stepPhase` is a
 * pure function, which is traced for other engines; `trainStep` writes its results to the variables.
 *
 * The variables of a phase form one vector, divided into pieces. Small variables share a piece, so that there are fewer updates
 * than biases. Large variables are divided, so that a piece stays in the CPU cache from the first operation of an update to the
 * last.
 */
import { scoped, tf, type Random } from '../tensor';
import type { Examples, Phase } from './model';

/** Longer gradients are clipped to this norm (Pascanu 2013), so that one unusual batch does not undo an epoch. */
const maxGradientNorm = 100;

const [decay, squareDecay, epsilon] = [0.9, 0.999, 1e-7];

/** Largest number of values in a piece: a few such vectors fit in a second-level cache. */
const pieceSize = 32_768;

/** Variables with fewer values share a piece. */
const smallVariable = 4096;

/** The place of a variable in the vector of a phase. */
export interface Placed {
  variable: tf.Variable;
  offset: number;
}

/** A part of the vector of a phase. */
export interface Piece {
  offset: number;
  size: number;
  /** Values `from` (included) to `to` (excluded) of each variable. */
  parts: readonly { variable: tf.Variable; from: number; to: number }[];
}

/** Variables as one vector. */
export interface Layout {
  size: number;
  placed: readonly Placed[];
  pieces: readonly Piece[];
}

/** Small variables come first, in one piece; then the large ones. */
export function layoutOf(variables: readonly tf.Variable[]): Layout {
  const small = variables.filter(({ size }) => size < smallVariable);
  const large = variables.filter(({ size }) => size >= smallVariable);
  let offset = 0;
  const placed = [...small, ...large].map((variable) => ({
    variable,
    offset: (offset += variable.size) - variable.size,
  }));
  const pieces: Piece[] = [];
  const add = (parts: Piece['parts']): void => {
    const size = parts.reduce((sum, { from, to }) => sum + to - from, 0);
    const last = pieces.at(-1);
    pieces.push({ offset: last === undefined ? 0 : last.offset + last.size, size, parts });
  };
  if (small.length > 0) add(small.map((variable) => ({ variable, from: 0, to: variable.size })));
  for (const variable of large) {
    const count = Math.ceil(variable.size / pieceSize);
    for (let i = 0; i < count; i++) {
      const cut = (k: number): number => Math.floor((k * variable.size) / count);
      add([{ variable, from: cut(i), to: cut(i + 1) }]);
    }
  }
  return { size: offset, placed, pieces };
}

/**
 * A piece of the weights with Adam's moments of its gradient, m / (1 − β₁) and v / (1 − β₂): without these factors an update
 * has fewer operations. Shapes [piece size].
 */
export interface PieceState {
  weights: tf.Tensor1D;
  first: tf.Tensor1D;
  second: tf.Tensor1D;
}

export interface StepInputs {
  examples: Examples;
  random: Random;
  /** Steps of the phase taken before. */
  step: tf.Scalar;
  /** The values of `corrections` for this step. Shape [2]. */
  corrections: tf.Tensor1D;
  pieces: readonly PieceState[];
}

export interface StepOutputs {
  /** Loss before the step. */
  loss: tf.Scalar;
  /** Norm of the gradient. If it is not finite, the caller must discard all outputs. */
  norm: tf.Scalar;
  pieces: readonly PieceState[];
}

/** 1/(1 − β₁ᵗ) and 1/(1 − β₂ᵗ). Moments start at 0, so they are too small at first. @param step steps taken before */
export function corrections(step: number): [number, number] {
  return [1 / (1 - decay ** (step + 1)), 1 / (1 - squareDecay ** (step + 1))];
}

/** @param pieces of all variables of the phase, in the order of `inputs.pieces` */
export function stepPhase(
  phase: Phase,
  pieces: readonly Piece[],
  inputs: StepInputs,
  learningRate: number,
): StepOutputs {
  const { value, grads } = tf.variableGrads(
    () => phase.loss(inputs.examples, inputs.random, inputs.step),
    phase.variables as tf.Variable[],
  );
  const gradients = pieces.map((piece) => gather(piece, ({ name }) => grads[name]!));
  const squared = gradients.map((gradient) => tf.dot(gradient, gradient) as tf.Scalar);
  const norm = squared.reduce((sum, next) => sum.add(next)).sqrt();
  const shrink = tf.div<tf.Scalar>(maxGradientNorm, norm).minimum(1);
  const [correction, squareCorrection] = tf.split(inputs.corrections, 2) as [tf.Tensor1D, tf.Tensor1D];
  // θ ← θ − α·m̂ / (√v̂ + ε) with m̂ = (1 − β₁)·first·correction and v̂ = (1 − β₂)·second·squareCorrection, with all factors
  // combined.
  const scale = squareCorrection.mul(1 - squareDecay).sqrt();
  const rate = correction.mul(learningRate * (1 - decay)).div(scale);
  const least: tf.Tensor1D = tf.div(epsilon, scale);
  const stepped = inputs.pieces.map(({ weights, first, second }, i): PieceState => {
    const clipped = gradients[i]!.mul(shrink);
    const mean = first.mul(decay).add(clipped);
    const square = second.mul(squareDecay).add(clipped.square());
    const move = mean.mul(rate).div(square.sqrt().add(least));
    return { weights: weights.sub(move), first: mean, second: square };
  });
  return { loss: value, norm, pieces: stepped };
}

/** Concatenates the tensors that `of` returns for the variables of a piece. Shape [piece size]. */
function gather({ parts }: Piece, of: (variable: tf.Variable) => tf.Tensor): tf.Tensor1D {
  const tensors = parts.map(({ variable, from, to }) => {
    const flat: tf.Tensor1D = tf.reshape(of(variable), [-1]);
    return to - from === variable.size ? flat : tf.slice1d(flat, from, to - from);
  });
  return tensors.length === 1 ? tensors[0]! : tf.concat1d(tensors);
}

export interface StepResult {
  /** Loss before the step. */
  loss: number;
  /** Norm of the gradient. */
  norm: number;
  /** Whether the step was skipped, because the loss or the gradient was not finite. */
  skipped: boolean;
}

/** State of a phase between steps. */
export interface Optimizer {
  readonly learningRate: number;
  readonly layout: Layout;
  /** Moments by piece. */
  moments: readonly Omit<PieceState, 'weights'>[];
  /** Number of steps taken, without skipped ones. */
  taken: number;
}

export function createOptimizer(phase: Pick<Phase, 'variables'>, learningRate: number): Optimizer {
  const layout = layoutOf(phase.variables);
  const zeros = (size: number): tf.Tensor1D => tf.keep(tf.zeros<tf.Rank.R1>([size]));
  return {
    learningRate,
    layout,
    moments: layout.pieces.map(({ size }) => ({ first: zeros(size), second: zeros(size) })),
    taken: 0,
  };
}

export function disposeOptimizer({ moments }: Optimizer): void {
  tf.dispose(moments.flatMap(({ first, second }) => [first, second]));
}

/**
 * One step with tfjs. Skips a step whose loss or gradient is not finite.
 * @param step steps of this phase taken before
 */
export function trainStep(
  phase: Phase,
  optimizer: Optimizer,
  examples: Examples,
  random: Random,
  step: number,
): StepResult {
  const { layout, learningRate, moments } = optimizer;
  return scoped(() => {
    const { loss, norm, pieces } = stepPhase(
      phase,
      layout.pieces,
      {
        examples,
        random,
        step: tf.scalar(step),
        corrections: tf.tensor1d(corrections(optimizer.taken)),
        pieces: layout.pieces.map((piece, i) => ({
          weights: gather(piece, (variable) => variable),
          ...moments[i]!,
        })),
      },
      learningRate,
    );
    const result = { loss: loss.dataSync()[0]!, norm: norm.dataSync()[0]! };
    if (!Number.isFinite(result.norm) || !Number.isFinite(result.loss)) return { ...result, skipped: true };
    const weights = tf.concat1d(pieces.map((piece) => piece.weights));
    for (const { variable, offset } of layout.placed)
      variable.assign(tf.reshape(tf.slice1d(weights, offset, variable.size), variable.shape));
    disposeOptimizer(optimizer);
    optimizer.moments = pieces.map(({ first, second }) => ({
      first: tf.keep(first),
      second: tf.keep(second),
    }));
    optimizer.taken++;
    return { ...result, skipped: false };
  });
}
