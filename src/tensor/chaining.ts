/**
 * Adds operations as methods of tensors, so that code reads like its formula: `a.mul(b).add(c)`. The CommonJS build of
 * tfjs-core lacks its own methods, and their types need a type argument in every call.
 */
import type * as tf from '@tensorflow/tfjs-core';

/** The rank after a sum over one dimension. */
type Reduced<R extends tf.Rank> = R extends tf.Rank.R4
  ? tf.Rank.R3
  : R extends tf.Rank.R3
    ? tf.Rank.R2
    : R extends tf.Rank.R2
      ? tf.Rank.R1
      : tf.Rank.R0;

type Operand = tf.Tensor | number;

const binary = ['add', 'sub', 'mul', 'div', 'mod', 'minimum', 'maximum'] as const;
const elementary = ['neg', 'abs', 'square', 'sqrt', 'exp', 'expm1', 'log', 'log1p'] as const;
const activations = ['relu', 'sigmoid', 'softplus', 'tanh'] as const;
const reductions = ['sum', 'mean'] as const;

type Binary<R extends tf.Rank> = Record<(typeof binary)[number], (operand: Operand) => tf.Tensor<R>>;
type Unary<R extends tf.Rank> = Record<
  (typeof elementary)[number] | (typeof activations)[number],
  () => tf.Tensor<R>
>;

interface Reduce<R extends tf.Rank> {
  /** Reduces over all elements. */
  (): tf.Scalar;
  (axis: number): tf.Tensor<Reduced<R>>;
}

declare module '@tensorflow/tfjs-core/dist/tensor' {
  /** The operand is broadcast to the shape of the tensor that the method is called on, or has the larger batch. */
  interface Tensor<R extends tf.Rank = tf.Rank>
    extends Binary<R>, Unary<R>, Record<(typeof reductions)[number], Reduce<R>> {}
}

/** Each operation becomes a method of the same name; it takes the tensor first. */
export function addTensorMethods(core: typeof tf): void {
  for (const name of [...binary, ...elementary, ...activations, ...reductions]) {
    const operation = core[name] as (tensor: tf.Tensor, operand?: unknown) => tf.Tensor;
    const method = function (this: tf.Tensor, operand?: unknown): tf.Tensor {
      return operation(this, operand);
    };
    // Writable, because tfjs-node contains all of tfjs, which assigns its own methods with the same meaning.
    Object.defineProperty(core.Tensor.prototype, name, { value: method, configurable: true, writable: true });
  }
}
