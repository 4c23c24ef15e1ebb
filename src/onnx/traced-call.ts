/** A recorded kernel on its way to ONNX, and what its translation may do. */
import type { ValueType } from '../tensor';
import type { Node } from './model';

/** Size of a dimension; undefined where it grows with the batch. */
export type Size = number | undefined;

/** A tensor of the graph. */
export interface TracedValue {
  name: string;
  shape: readonly Size[];
  type: ValueType;
}

/** A kernel as it is translated. */
export interface TracedCall {
  kernel: string;
  inputs: Readonly<Record<string, TracedValue>>;
  /** What of them depends on the batch is undefined. */
  attributes: Readonly<Record<string, unknown>>;
  outputs: readonly Omit<TracedValue, 'name'>[];
}

/** Adds nodes to a graph; names are chosen here. */
export interface GraphBuilder {
  /** Returns the name of its output. */
  node(operator: string, inputs: readonly string[], attributes?: Node['attributes']): string;
  /** A node with several outputs. */
  nodes(
    operator: string,
    inputs: readonly string[],
    outputs: number,
    attributes?: Node['attributes'],
  ): string[];
  /** A scalar. */
  scalar(value: number): string;
  /** A list of whole numbers, as shapes and axes are given. */
  list(values: readonly number[]): string;
  /** A tensor of nothing but 1. */
  ones(shape: readonly number[]): string;
}

/** A kernel that there is no translation for: a model with it cannot leave tfjs. */
export class UntranslatableError extends Error {
  override readonly name = 'UntranslatableError';
}
