/**
 * Operations as methods of tensors, so that code reads as its formula: `a.mul(b).add(c)`. The CommonJS build of tfjs-core
 * leaves its own methods out, and their types ask for a type argument in every call.
 */
import * as tf from '@tensorflow/tfjs-core';

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

/** By the name of the method; each takes the tensor first. */
const operations = {
  add: tf.add,
  sub: tf.sub,
  mul: tf.mul,
  div: tf.div,
  mod: tf.mod,
  minimum: tf.minimum,
  maximum: tf.maximum,
  neg: tf.neg,
  abs: tf.abs,
  square: tf.square,
  sqrt: tf.sqrt,
  exp: tf.exp,
  expm1: tf.expm1,
  log: tf.log,
  log1p: tf.log1p,
  relu: tf.relu,
  sigmoid: tf.sigmoid,
  softplus: tf.softplus,
  tanh: tf.tanh,
  sum: tf.sum,
  mean: tf.mean,
} as Readonly<Record<string, (tensor: tf.Tensor, operand?: unknown) => tf.Tensor>>;

for (const [name, operation] of Object.entries(operations)) {
  const method = function (this: tf.Tensor, operand?: unknown): tf.Tensor {
    return operation(this, operand);
  };
  Object.defineProperty(tf.Tensor.prototype, name, { value: method, configurable: true });
}
