/**
 * Records the kernels that a computation runs, with their inputs and outputs, so that a graph for another engine can be
 * written. The computation runs on the current backend. Its choice of kernels must not depend on the values that it computes
 * with.
 */
import { tf } from './tfjs';
import { filterGradient, type FilterGradientAttributes } from './convolution';

export type ValueType = 'float32' | 'int32' | 'bool';

export interface RecordedValue {
  /** Id of the tensor. */
  id: number;
  shape: readonly number[];
  type: ValueType;
}

/** One run of a tfjs kernel. */
export interface KernelCall {
  kernel: string;
  /** Inputs by name; the members of a list have the names `0`, `1`, … */
  inputs: Readonly<Record<string, RecordedValue>>;
  attributes: Readonly<Record<string, unknown>>;
  outputs: readonly RecordedValue[];
}

/** A tensor that is neither the output of a kernel nor named by the caller. */
export interface RecordedConstant extends RecordedValue {
  data: Float32Array | Int32Array | Uint8Array;
}

export interface Recording {
  /** Kernel calls in the order of their runs. */
  calls: readonly KernelCall[];
  constants: readonly RecordedConstant[];
  outputs: Readonly<Record<string, RecordedValue>>;
}

/**
 * Kernels that only some backends have, expressed by other kernels, which are recorded instead, so that a recording does not
 * depend on the backend.
 */
const expansions: Readonly<
  Record<string, (inputs: tf.NamedTensorMap, attributes: unknown) => tf.Tensor | undefined>
> = {
  Conv2DBackpropFilter: ({ x, dy }, attributes) =>
    filterGradient(x as tf.Tensor4D, dy as tf.Tensor4D, attributes as FilterGradientAttributes),
};

type RunKernel = (
  kernel: string,
  inputs: tf.NamedTensorMap,
  attributes?: Record<string, unknown>,
) => tf.Tensor | tf.Tensor[];

/**
 * Runs `compute` and records its kernels. Frees every tensor that it creates.
 * @param named ids of tensors that are inputs, such as variables, and not constants. `compute` may add more
 */
export function recordKernels(
  named: ReadonlySet<number>,
  compute: () => Readonly<Record<string, tf.Tensor>>,
): Recording {
  const engine = tf.engine() as unknown as { runKernel: RunKernel };
  const runKernel = engine.runKernel.bind(engine);
  const known = new Set<number>();
  const calls: KernelCall[] = [];
  const constants: RecordedConstant[] = [];
  /** Whether a kernel is running: kernels that it calls are not recorded. */
  let within = false;
  /** The original of each copy that tfjs saves within a kernel for its gradient, by id. */
  const copies = new Map<number, number>();

  function record(tensor: tf.Tensor): RecordedValue {
    const value = { ...valueOf(tensor), id: copies.get(tensor.id) ?? tensor.id };
    if (!known.has(value.id) && !named.has(value.id)) {
      known.add(value.id);
      // Read now, as the tensor may be disposed before the computation ends.
      constants.push({ ...value, data: tensor.dataSync<'float32'>().slice() });
    }
    return value;
  }

  engine.runKernel = (kernel, inputs, attributes = {}) => {
    if (within) {
      const result = runKernel(kernel, inputs, attributes);
      if (kernel === 'Identity') {
        const { id } = inputs['x']!;
        copies.set((result as tf.Tensor).id, copies.get(id) ?? id);
      }
      return result;
    }
    const expanded = expansions[kernel]?.(inputs, attributes);
    if (expanded !== undefined) return expanded;
    const given = Object.fromEntries(
      Object.entries(inputs)
        .filter(([, tensor]) => (tensor as tf.Tensor | undefined | null) != null)
        .map(([name, tensor]) => [name, record(tensor)]),
    );
    within = true;
    try {
      const result = runKernel(kernel, inputs, attributes);
      const outputs = Array.isArray(result) ? result : [result];
      for (const { id } of outputs) known.add(id);
      calls.push({ kernel, inputs: given, attributes: { ...attributes }, outputs: outputs.map(valueOf) });
      return result;
    } finally {
      within = false;
    }
  };
  tf.engine().startScope();
  try {
    const outputs = compute();
    return {
      calls,
      constants,
      outputs: Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, record(tensor)])),
    };
  } finally {
    tf.engine().endScope();
    engine.runKernel = runKernel;
  }
}

function valueOf({ id, shape, dtype }: tf.Tensor): RecordedValue {
  return { id, shape, type: dtype as ValueType };
}
