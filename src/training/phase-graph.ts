/**
 * The loss of a phase and its gradients as a graph: they are computed once in tfjs, and the kernels are recorded, forward and
 * backward. The graph is for batches of one size. Random tensors of the loss are inputs of the graph.
 */
import { lossAndGradients } from '../models/train-step';
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

/** Input with the number of steps taken before. Names of weights contain a `/`, so they differ. */
export const stepInput = 'step';
/** Output with the gradient of the i-th variable of the phase. */
export const gradientOutput = (i: number): string => `gradient ${i}`;

/** @throws UntranslatableError with the name of a kernel that has no equivalent in ONNX */
export function tracePhase(
  { model, layout }: Pick<StepperParts, 'model' | 'layout'>,
  phase: Phase,
  rows: number,
): PhaseGraph {
  const inputs = createInputs(model);
  const { examples, named } = traceExamples(layout, rows);
  const drawn: DrawnTensor[] = [];
  const step = tf.scalar(1);
  for (const [name, tensor] of named) inputs.add(name, tensor);
  inputs.add(stepInput, step);

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
      const { loss, gradients } = lossAndGradients(phase, { examples, random, step });
      return {
        loss,
        ...Object.fromEntries(gradients.map((gradient, i) => [gradientOutput(i), gradient])),
      };
    });
    return {
      bytes: writeGraph({ name: phase.name, recordings: [recording], named: inputs.named }),
      drawn,
    };
  } finally {
    tf.dispose([step, ...named.map(([, tensor]) => tensor)]);
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
