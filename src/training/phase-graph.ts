/**
 * The training step of a phase as a graph: `stepPhase` runs once in tfjs, and its kernels are recorded, forward, backward and
 * Adam. The graph is for batches of one size. Random tensors of the loss are inputs of the graph.
 */
import { corrections, stepPhase, type Piece, type PieceState } from '../models/train-step';
import type { Model, Phase } from '../models/model';
import { writeGraph, type NamedTensor } from '../onnx/graph';
import { createExampleArrays, toExamples, type ExampleLayout } from '../scoring/encode';
import { createRandom, createTensorRandom, recordKernels, tf, type Draw } from '../tensor';
import type { StepperParts } from './stepper';

/** A tensor that a loss draws; filled before each step. */
export interface DrawnTensor {
  name: string;
  shape: readonly [number, number];
  data: Float32Array;
  draw: Draw;
}

export interface PhaseGraph {
  bytes: Uint8Array;
  drawn: readonly DrawnTensor[];
}

/** Names of inputs that are neither weights nor examples. Names of weights contain a `/`, so they differ. */
export const scalars = { step: 'step', corrections: 'corrections' } as const;

/** The vectors that are divided into pieces. */
export const pieceVectors = ['weights', 'first', 'second'] as const;
type PieceVector = (typeof pieceVectors)[number];
export const pieceInput = (vector: PieceVector, i: number): string => `${vector} ${i} before`;
export const pieceOutput = (vector: PieceVector, i: number): string => `${vector} ${i}`;

/** @throws UntranslatableError with the name of a kernel that has no equivalent in ONNX */
export function tracePhase(
  { model, layout, learningRate }: Pick<StepperParts, 'model' | 'layout' | 'learningRate'>,
  phase: Phase,
  pieces: readonly Piece[],
  rows: number,
): PhaseGraph {
  const inputs = createInputs(model);
  const examples = traceExamples(layout, rows);
  const drawn: DrawnTensor[] = [];
  const scalarInputs = { step: tf.scalar(1), corrections: tf.tensor1d(corrections(0)) };
  const zeros = (size: number): tf.Tensor1D => tf.zeros([size]);
  const states = pieces.map(({ size }): PieceState => ({
    weights: zeros(size),
    first: zeros(size),
    second: zeros(size),
  }));
  for (const [name, tensor] of examples.named) inputs.add(name, tensor);
  inputs.add(scalars.step, scalarInputs.step);
  inputs.add(scalars.corrections, scalarInputs.corrections);
  states.forEach((state, i) => {
    for (const vector of pieceVectors) inputs.add(pieceInput(vector, i), state[vector]);
  });

  const seeded = createRandom(0);
  const random = createTensorRandom((shape, draw) => {
    const tensor = seeded.tensor(shape, draw);
    const name = `drawn ${drawn.length}`;
    drawn.push({ name, shape, data: new Float32Array(tensor.size), draw });
    inputs.add(name, tensor);
    return tensor;
  });
  try {
    const recording = recordKernels(inputs.ids, () => {
      const given = { examples: examples.examples, random, ...scalarInputs, pieces: states };
      const { loss, norm, pieces: stepped } = stepPhase(phase, pieces, given, learningRate);
      const outputs = stepped.flatMap((state, i) =>
        pieceVectors.map((vector) => [pieceOutput(vector, i), state[vector]] as const),
      );
      return { loss, norm, ...Object.fromEntries(outputs) };
    });
    return {
      bytes: writeGraph({ name: phase.name, recordings: [recording], named: inputs.named }),
      drawn,
    };
  } finally {
    tf.dispose([
      ...Object.values(scalarInputs),
      ...examples.named.map(([, tensor]) => tensor),
      ...states.flatMap(({ weights, first, second }) => [weights, first, second]),
    ]);
  }
}

/**
 * The loss on held-out windows, for batches of any size.
 * @throws UntranslatableError with the name of a kernel that has no equivalent in ONNX
 */
export function traceValidation(model: Model, layout: ExampleLayout): Uint8Array {
  // Two sizes, so that the graph does not depend on the size.
  const traces = [2, 3].map((rows) => {
    const { examples, named } = traceExamples(layout, rows);
    const inputs = createInputs(model);
    for (const [name, tensor] of named) inputs.add(name, tensor);
    try {
      const recording = recordKernels(inputs.ids, () => {
        const { loss, rate } = model.validationLoss(examples);
        return { loss, rate };
      });
      return { recording, named: inputs.named };
    } finally {
      tf.dispose(named.map(([, tensor]) => tensor));
    }
  });
  const [first, second] = traces as [(typeof traces)[number], (typeof traces)[number]];
  return writeGraph({
    name: 'validation',
    recordings: traces.map(({ recording }) => recording),
    named: first.named.map(({ name, ids }, i) => ({ name, ids: [...ids, ...second.named[i]!.ids] })),
  });
}

/** Tensors that exist before a trace, by the names of their inputs; the weights of the model come first. */
function createInputs(model: Model): {
  named: NamedTensor[];
  ids: Set<number>;
  add(name: string, tensor: tf.Tensor): void;
} {
  const named: NamedTensor[] = [];
  const ids = new Set<number>();
  const add = (name: string, { id }: tf.Tensor): void => {
    ids.add(id);
    named.push({ name, ids: [id] });
  };
  for (const [name, variable] of model.weights) add(name, variable);
  return { named, ids, add };
}

/** Random examples to trace with, and the names of their tensors. */
function traceExamples(
  layout: ExampleLayout,
  rows: number,
): { examples: ReturnType<typeof toExamples>; named: [string, tf.Tensor][] } {
  const buffers = createExampleArrays(layout, rows);
  const random = createRandom(0);
  // Values in (0, 1) suit every likelihood.
  for (let i = 0; i < buffers.x.length; i++) buffers.x[i] = random.uniform();
  const examples = toExamples(layout, buffers, 0, rows);
  const { x, mask, c } = examples;
  return {
    examples,
    named: [['x', x], ['mask', mask], ...(c === undefined ? [] : ([['c', c]] as [string, tf.Tensor][]))],
  };
}
