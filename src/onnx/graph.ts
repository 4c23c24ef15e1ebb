/**
 * Writes recorded kernels as an ONNX graph, kernel for kernel (operators.ts), so there is no second definition of a model.
 * From two recordings, of batches of different size, the graph takes batches of any size: sizes that differ between the
 * recordings depend on the batch.
 */
import type { KernelCall, RecordedValue, Recording } from '../tensor';
import { OnnxGraphBuilder } from './graph-builder';
import { encodeOnnx, type Dimension, type ValueInfo } from './model';
import { operators } from './operators';
import { UntranslatableError, type Size, type TracedCall, type TracedValue } from './traced-call';

/** An input or a weight of the graph, with its id in each recording. */
export interface NamedTensor {
  name: string;
  ids: readonly number[];
  /** Values of a weight; absent for an input. */
  data?: Float32Array;
}

export interface GraphParts {
  name: string;
  /** One recording for a fixed batch size, or two with different batch sizes for batches of any size. */
  recordings: readonly Recording[];
  /** Every tensor that existed before the recording, in the order of the graph's inputs. */
  named: readonly NamedTensor[];
  metadata?: Readonly<Record<string, string>>;
  /** Adds nodes that compute inputs of the recording. Returns the names of the computed values, by input. */
  prelude?: (graph: OnnxGraphBuilder) => Readonly<Record<string, string>>;
}

/** Name of the batch dimension. */
export const batchDimension = 'batch';

/**
 * The bytes of a `.onnx` file; its outputs have the names of the recording.
 * @throws UntranslatableError if a kernel or a use of it has no counterpart in ONNX
 */
export function writeGraph({ name, recordings, named, metadata = {}, prelude }: GraphParts): Uint8Array {
  const [first, second] = [recordings[0]!, recordings[1]];
  const graph = new OnnxGraphBuilder();
  /** Tensors by their id in the first recording. */
  const values = new Map<number, TracedValue>();
  const computed = prelude?.(graph) ?? {};
  for (const tensor of named) addNamed(graph, tensor, computed[tensor.name], first, second, values);
  addConstants(graph, first, second, values);
  addKernels(graph, first, second, values);
  const outputs = addOutputs(graph, first, second, values);
  return encodeOnnx({
    name,
    ...graph.neededFor(outputs.map((output) => output.name)),
    outputs,
    metadata,
  });
}

type Values = Map<number, TracedValue>;

/** An input or a weight of the recording, or a value that the prelude computed for it. */
function addNamed(
  graph: OnnxGraphBuilder,
  { name, ids, data }: NamedTensor,
  computed: string | undefined,
  first: Recording,
  second: Recording | undefined,
  values: Values,
): void {
  const value = useOf(first, ids[0]!);
  // An unused tensor is not part of the graph.
  if (value === undefined) return;
  const { id, type } = value;
  const shape = mergeShapes(value.shape, second && useOf(second, ids[1]!)?.shape);
  values.set(id, { name, shape, type });
  if (computed !== undefined) graph.copy(computed, name);
  else if (data !== undefined) graph.weight(name, value.shape, data);
  else graph.input({ name, type, shape: dimensionsOf(shape) });
}

function addConstants(
  graph: OnnxGraphBuilder,
  first: Recording,
  second: Recording | undefined,
  values: Values,
): void {
  first.constants.forEach((constant, i) => {
    const { id, shape, type, data } = constant;
    const other = second?.constants[i];
    if (other !== undefined && (other.shape.join() !== shape.join() || other.data.join() !== data.join()))
      throw new UntranslatableError(`a constant of shape [${shape.join(', ')}] depends on the batch size`);
    values.set(id, { name: graph.recorded(constant), shape, type });
  });
}

function addKernels(
  graph: OnnxGraphBuilder,
  first: Recording,
  second: Recording | undefined,
  values: Values,
): void {
  if (second !== undefined && second.calls.length !== first.calls.length)
    throw new UntranslatableError('the kernels depend on the batch size');
  first.calls.forEach((call, i) => {
    const traced = traceCall(call, second?.calls[i], values);
    const translate = operators[call.kernel];
    if (translate === undefined)
      throw new UntranslatableError(`the kernel ${call.kernel} has no translation to ONNX`);
    translate(traced, graph).forEach((output, j) =>
      values.set(call.outputs[j]!.id, { name: output, ...traced.outputs[j]! }),
    );
  });
}

/** Gives values the names of the outputs; a value that is no node's output, or another output, is copied. */
function addOutputs(
  graph: OnnxGraphBuilder,
  first: Recording,
  second: Recording | undefined,
  values: Values,
): ValueInfo[] {
  return Object.entries(first.outputs).map(([output, { id, shape, type }]) => {
    const value = values.get(id)!;
    if (!graph.isComputed(value.name) || value.name in first.outputs) graph.copy(value.name, output);
    else {
      graph.rename(value.name, output);
      values.set(id, { ...value, name: output });
    }
    return { name: output, type, shape: dimensionsOf(mergeShapes(shape, second?.outputs[output]!.shape)) };
  });
}

/** The first use of a tensor in a recording, if any. */
function useOf({ calls, outputs }: Recording, id: number): RecordedValue | undefined {
  const uses = [...calls.flatMap(({ inputs }) => Object.values(inputs)), ...Object.values(outputs)];
  return uses.find((value) => value.id === id);
}

function dimensionsOf(shape: readonly Size[]): Dimension[] {
  return shape.map((size) => size ?? batchDimension);
}

function traceCall(
  call: KernelCall,
  other: KernelCall | undefined,
  values: ReadonlyMap<number, TracedValue>,
): TracedCall {
  if (other !== undefined && other.kernel !== call.kernel)
    throw new UntranslatableError('the kernels depend on the batch size');
  return {
    kernel: call.kernel,
    inputs: Object.fromEntries(Object.entries(call.inputs).map(([name, { id }]) => [name, values.get(id)!])),
    attributes: other === undefined ? call.attributes : mergeAttributes(call.attributes, other.attributes),
    outputs: call.outputs.map(({ shape, type }, j) => ({
      shape: mergeShapes(shape, other?.outputs[j]!.shape),
      type,
    })),
  };
}

function mergeShapes(shape: readonly number[], other: readonly number[] | undefined): readonly Size[] {
  return shape.map((size, i) => (other === undefined || other[i] === size ? size : undefined));
}

function mergeAttributes(
  attributes: KernelCall['attributes'],
  others: KernelCall['attributes'],
): Record<string, unknown> {
  const merge = (a: unknown, b: unknown): unknown => {
    if (Array.isArray(a) && Array.isArray(b) && a.length === b.length)
      return a.map((item, i) => merge(item, b[i]));
    return a === b ? a : undefined;
  };
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [name, merge(value, others[name])]),
  );
}
