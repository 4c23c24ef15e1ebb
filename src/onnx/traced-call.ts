/** A recorded kernel as its translation to ONNX sees it, and the builder that the translation uses. */
import type { ValueType } from '../tensor';
import type { Node } from './model';

/** Size of a dimension; undefined = depends on the batch. */
export type Size = number | undefined;

/** A tensor of the graph. */
export interface TracedValue {
  name: string;
  shape: readonly Size[];
  type: ValueType;
}

/** A kernel to translate. */
export interface TracedCall {
  kernel: string;
  inputs: Readonly<Record<string, TracedValue>>;
  /** Attributes that depend on the batch are undefined. */
  attributes: Readonly<Record<string, unknown>>;
  outputs: readonly Omit<TracedValue, 'name'>[];
}

/** Adds nodes to a graph and chooses the names of their outputs. */
export interface GraphBuilder {
  /** A node with one output; returns the name of the output. */
  node(operator: string, inputs: readonly string[], attributes?: Node['attributes']): string;
  /** A node with several outputs; returns their names. */
  nodes(
    operator: string,
    inputs: readonly string[],
    outputs: number,
    attributes?: Node['attributes'],
  ): string[];
  /** A constant float32 scalar. */
  scalar(value: number): string;
  /** A constant int64 list, as for shapes and axes. */
  list(values: readonly number[]): string;
  /** A constant float32 tensor of ones. */
  ones(shape: readonly number[]): string;
}

/** A computation has no counterpart in ONNX, so tfjs must run it. */
export class UntranslatableError extends Error {
  override readonly name = 'UntranslatableError';
}
