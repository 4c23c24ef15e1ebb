/**
 * Notes which kernels a computation runs, with what and to what: what a graph for another engine is written from. The
 * computation runs as ever, on whatever backend there is; what it does must not depend on the values it sees.
 */
import * as tf from '@tensorflow/tfjs-core';
import { filterGradient, type FilterGradientAttributes } from './convolution';

export type ValueType = 'float32' | 'int32' | 'bool';

/** A tensor of the computation. */
export interface RecordedValue {
  /** Tensors with one id are one tensor. */
  id: number;
  shape: readonly number[];
  type: ValueType;
}

/** One kernel of tfjs that was run. */
export interface KernelCall {
  kernel: string;
  /** By name; the members of a list are called `0`, `1`, … */
  inputs: Readonly<Record<string, RecordedValue>>;
  attributes: Readonly<Record<string, unknown>>;
  outputs: readonly RecordedValue[];
}

/** A tensor that no kernel has made and no caller has named. */
export interface RecordedConstant extends RecordedValue {
  data: Float32Array | Int32Array | Uint8Array;
}

export interface Recording {
  /** In the order in which they were run. */
  calls: readonly KernelCall[];
  constants: readonly RecordedConstant[];
  outputs: Readonly<Record<string, RecordedValue>>;
}

/**
 * Kernels that not every backend has: what they do in terms of others is noted in their place, so that the recording of a
 * computation does not depend on the backend.
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
 * Runs `compute` and notes its kernels. Frees every tensor that it makes.
 * @param named ids of tensors that are given, such as variables: they are no constants. More may come while it runs
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
  /** Kernels that others run within themselves are theirs. */
  let within = false;
  /** What tfjs saves for the gradient of a kernel are copies, made within it: by id, which tensor each is a copy of. */
  const copies = new Map<number, number>();

  function note(tensor: tf.Tensor): RecordedValue {
    const value = { ...valueOf(tensor), id: copies.get(tensor.id) ?? tensor.id };
    if (!known.has(value.id) && !named.has(value.id)) {
      known.add(value.id);
      // Now: it may be gone when the computation has ended.
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
        .map(([name, tensor]) => [name, note(tensor)]),
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
      outputs: Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, note(tensor)])),
    };
  } finally {
    tf.engine().endScope();
    engine.runKernel = runKernel;
  }
}

function valueOf({ id, shape, dtype }: tf.Tensor): RecordedValue {
  return { id, shape, type: dtype as ValueType };
}
