/**
 * One training step of one phase: loss, gradients, and the update of Adam (Kingma & Ba 2015, algorithm 1). As a function it keeps
 * nothing: that is what is traced for other engines; `trainStep` keeps its results in the variables.
 *
 * Variables that a phase changes are one vector, cut into pieces: the small ones together, so that there is not an update for each
 * bias, and large ones in parts that stay in the cache of a processor from the first operation of an update to the last.
 */
import { scoped, tf, type Random } from '../tensor';
import type { Examples, Phase } from './model';

/** Gradients longer than this are shortened to it (Pascanu 2013): one odd batch must not undo an epoch. */
const maxGradientNorm = 100;

const [decay, squareDecay, epsilon] = [0.9, 0.999, 1e-7];

/** Numbers of a piece, at most: a few vectors of them fit in a second-level cache. */
const pieceSize = 32_768;

/** Variables with fewer numbers share a piece. */
const smallVariable = 4096;

/** Where a variable lies in the vector. */
export interface Placed {
  variable: tf.Variable;
  offset: number;
}

/** A part of the vector. */
export interface Piece {
  offset: number;
  size: number;
  /** What it consists of: numbers of variables, from one place to another of each. */
  parts: readonly { variable: tf.Variable; from: number; to: number }[];
}

/** How variables are one vector. */
export interface Layout {
  size: number;
  placed: readonly Placed[];
  pieces: readonly Piece[];
}

/** Small variables first, each as it is; then the large ones. */
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
 * A piece of the weights, and what Adam remembers of its gradients: m / (1 − β₁) and v / (1 − β₂), the means of them and of their
 * squares but for a factor, so that an update has fewer operations. Shape [piece size].
 */
export interface PieceState {
  weights: tf.Tensor1D;
  first: tf.Tensor1D;
  second: tf.Tensor1D;
}

/** What a step is taken from. */
export interface StepInputs {
  examples: Examples;
  random: Random;
  /** How many steps of the phase went before. */
  step: tf.Scalar;
  /** What `corrections` says for this step. */
  corrections: tf.Tensor1D;
  pieces: readonly PieceState[];
}

/** What a step arrives at. */
export interface StepOutputs {
  /** Before the step. */
  loss: tf.Scalar;
  /** Length of the gradient. Where it is not finite, nothing of this is to be kept. */
  norm: tf.Scalar;
  pieces: readonly PieceState[];
}

/** 1/(1 − β₁ᵗ) and 1/(1 − β₂ᵗ): moments begin at 0, and are too small at first. @param step how many steps went before */
export function corrections(step: number): [number, number] {
  return [1 / (1 - decay ** (step + 1)), 1 / (1 - squareDecay ** (step + 1))];
}

/** @param pieces of all variables of the phase, as `inputs.pieces` has them */
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
  const norm: tf.Scalar = tf.sqrt(squared.reduce((sum, next) => tf.add(sum, next)));
  const shrink: tf.Scalar = tf.minimum(tf.div(maxGradientNorm, norm), 1);
  const [correction, squareCorrection] = tf.split(inputs.corrections, 2) as [tf.Tensor1D, tf.Tensor1D];
  // θ ← θ − α·m̂ / (√v̂ + ε) with m̂ = (1 − β₁)·first·correction and v̂ = (1 − β₂)·second·squareCorrection, all factors in one.
  const scale: tf.Tensor1D = tf.sqrt(tf.mul<tf.Tensor1D>(squareCorrection, 1 - squareDecay));
  const rate: tf.Tensor1D = tf.div(tf.mul(correction, learningRate * (1 - decay)), scale);
  const least: tf.Tensor1D = tf.div(epsilon, scale);
  const stepped = inputs.pieces.map(({ weights, first, second }, i): PieceState => {
    const bounded: tf.Tensor1D = tf.mul(gradients[i]!, shrink);
    const mean: tf.Tensor1D = tf.add(tf.mul(first, decay), bounded);
    const square: tf.Tensor1D = tf.add(tf.mul(second, squareDecay), tf.square(bounded));
    const move = tf.div(tf.mul(mean, rate), tf.add(tf.sqrt(square), least));
    return { weights: tf.sub(weights, move), first: mean, second: square };
  });
  return { loss: value, norm, pieces: stepped };
}

/** What belongs to a piece of tensors that are given by variable. Shape [piece size]. */
function gather({ parts }: Piece, of: (variable: tf.Variable) => tf.Tensor): tf.Tensor1D {
  const tensors = parts.map(({ variable, from, to }) => {
    const flat: tf.Tensor1D = tf.reshape(of(variable), [-1]);
    return to - from === variable.size ? flat : tf.slice1d(flat, from, to - from);
  });
  return tensors.length === 1 ? tensors[0]! : tf.concat1d(tensors);
}

export interface StepResult {
  /** Before the step. */
  loss: number;
  /** Length of the gradient. */
  norm: number;
  /** Loss or gradient was not finite, and nothing was changed. */
  skipped: boolean;
}

/** What is kept of a phase from step to step. */
export interface Optimizer {
  readonly learningRate: number;
  readonly layout: Layout;
  /** By piece. */
  moments: readonly Omit<PieceState, 'weights'>[];
  /** Steps that were taken; skipped ones are none. */
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
 * One step with tfjs. A step that is not finite is skipped.
 * @param step how many steps of this phase went before
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
