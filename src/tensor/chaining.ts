/**
 * Operations as methods of tensors, so that code reads as its formula: `a.mul(b).add(c)`. The CommonJS build of tfjs-core
 * leaves its own methods out, and their types ask for a type argument in every call.
 */
import type * as tf from '@tensorflow/tfjs-core';

/** The rank that is left when one dimension is summed over. */
type Reduced<R extends tf.Rank> = R extends tf.Rank.R4
  ? tf.Rank.R3
  : R extends tf.Rank.R3
    ? tf.Rank.R2
    : R extends tf.Rank.R2
      ? tf.Rank.R1
      : tf.Rank.R0;

type Operand = tf.Tensor | number;

declare module '@tensorflow/tfjs-core/dist/tensor' {
  /** The operand is broadcast to the shape of the tensor that the method is called on, or has the larger batch. */
  interface Tensor<R extends tf.Rank = tf.Rank> {
    add(operand: Operand): Tensor<R>;
    sub(operand: Operand): Tensor<R>;
    mul(operand: Operand): Tensor<R>;
    div(operand: Operand): Tensor<R>;
    mod(operand: Operand): Tensor<R>;
    minimum(operand: Operand): Tensor<R>;
    maximum(operand: Operand): Tensor<R>;
    neg(): Tensor<R>;
    abs(): Tensor<R>;
    square(): Tensor<R>;
    sqrt(): Tensor<R>;
    exp(): Tensor<R>;
    expm1(): Tensor<R>;
    log(): Tensor<R>;
    log1p(): Tensor<R>;
    relu(): Tensor<R>;
    sigmoid(): Tensor<R>;
    softplus(): Tensor<R>;
    tanh(): Tensor<R>;
    /** Over all elements. */
    sum(): tf.Scalar;
    sum(axis: number): Tensor<Reduced<R>>;
    /** Over all elements. */
    mean(): tf.Scalar;
    mean(axis: number): Tensor<Reduced<R>>;
  }
}

/** Operations that become methods of the same name; each takes the tensor first. */
const names = [
  'add',
  'sub',
  'mul',
  'div',
  'mod',
  'minimum',
  'maximum',
  'neg',
  'abs',
  'square',
  'sqrt',
  'exp',
  'expm1',
  'log',
  'log1p',
  'relu',
  'sigmoid',
  'softplus',
  'tanh',
  'sum',
  'mean',
] as const satisfies readonly (keyof typeof tf)[];

export function addTensorMethods(core: typeof tf): void {
  for (const name of names) {
    const operation = core[name] as (tensor: tf.Tensor, operand?: unknown) => tf.Tensor;
    const method = function (this: tf.Tensor, operand?: unknown): tf.Tensor {
      return operation(this, operand);
    };
    Object.defineProperty(core.Tensor.prototype, name, { value: method, configurable: true });
  }
}
