/**
 * Writes recorded kernels as an ONNX graph, kernel by kernel (operators.ts), so there is no second definition of a model. Two
 * recordings of batches of different size yield a graph for batches of any size: sizes that differ between the recordings
 * depend on the batch.
 */
import type { KernelCall, RecordedValue, Recording } from '../tensor';
import { OnnxGraphBuilder } from './graph-builder';
import { encodeOnnx, type Dimension, type ValueInfo } from './model';
import { operators, UntranslatableError, type Size, type TracedCall, type TracedValue } from './operators';

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
 * @throws UntranslatableError if ONNX has no equivalent of a kernel or of its attributes
 */
export function writeGraph({ name, recordings, named, metadata = {}, prelude }: GraphParts): Uint8Array {
  const graph = new OnnxGraphBuilder();
  const writer = new GraphWriter(graph, recordings[0]!, recordings[1]);
  const computed = prelude?.(graph) ?? {};
  for (const tensor of named) writer.addNamed(tensor, computed[tensor.name]);
  writer.addConstants();
  writer.addKernels();
  const outputs = writer.addOutputs();
  return encodeOnnx({ name, ...graph.neededFor(outputs.map((one) => one.name)), outputs, metadata });
}

class GraphWriter {
  /** Tensors by their id in the first recording. */
  private readonly values = new Map<number, TracedValue>();

  constructor(
    private readonly graph: OnnxGraphBuilder,
    private readonly first: Recording,
    private readonly second: Recording | undefined,
  ) {}

  /** Adds an input or a weight of the recording, or a value that the prelude computed for it. */
  addNamed({ name, ids, data }: NamedTensor, computed: string | undefined): void {
    const value = useOf(this.first, ids[0]!);
    // An unused tensor is not part of the graph.
    if (value === undefined) return;
    const { id, type } = value;
    const shape = mergeShapes(value.shape, this.second && useOf(this.second, ids[1]!)?.shape);
    this.values.set(id, { name, shape, type });
    if (computed !== undefined) this.graph.copy(computed, name);
    else if (data !== undefined) this.graph.weight(name, value.shape, data);
    else this.graph.input({ name, type, shape: dimensionsOf(shape) });
  }

  addConstants(): void {
    this.first.constants.forEach((constant, i) => {
      const { id, shape, type, data } = constant;
      const other = this.second?.constants[i];
      if (other !== undefined && (other.shape.join() !== shape.join() || other.data.join() !== data.join()))
        throw new UntranslatableError(`a constant of shape [${shape.join(', ')}] depends on the batch size`);
      this.values.set(id, { name: this.graph.recorded(constant), shape, type });
    });
  }

  addKernels(): void {
    const { calls } = this.first;
    if (this.second !== undefined && this.second.calls.length !== calls.length)
      throw new UntranslatableError('the kernels depend on the batch size');
    calls.forEach((call, i) => {
      const traced = this.trace(call, this.second?.calls[i]);
      const translate = operators[call.kernel];
      if (translate === undefined)
        throw new UntranslatableError(`the kernel ${call.kernel} has no translation to ONNX`);
      translate(traced, this.graph).forEach((output, j) =>
        this.values.set(call.outputs[j]!.id, { name: output, ...traced.outputs[j]! }),
      );
    });
  }

  private trace(call: KernelCall, other: KernelCall | undefined): TracedCall {
    if (other !== undefined && other.kernel !== call.kernel)
      throw new UntranslatableError('the kernels depend on the batch size');
    return {
      kernel: call.kernel,
      inputs: mapValues(call.inputs, ({ id }) => this.values.get(id)!),
      attributes:
        other === undefined
          ? call.attributes
          : mapValues(call.attributes, (value, name) => merge(value, other.attributes[name])),
      outputs: call.outputs.map(({ shape, type }, j) => ({
        shape: mergeShapes(shape, other?.outputs[j]!.shape),
        type,
      })),
    };
  }

  /**
   * Gives values the names of the outputs. A value that is not the output of a node, or that is another output already, is
   * copied.
   */
  addOutputs(): ValueInfo[] {
    const { outputs } = this.first;
    return Object.entries(outputs).map(([output, { id, shape, type }]) => {
      const value = this.values.get(id)!;
      if (!this.graph.isComputed(value.name) || value.name in outputs) this.graph.copy(value.name, output);
      else {
        this.graph.rename(value.name, output);
        // The output of a kernel that changes nothing, such as a sum over one number, is its input.
        for (const [one, alias] of this.values)
          if (alias.name === value.name) this.values.set(one, { ...alias, name: output });
      }
      const merged = mergeShapes(shape, this.second?.outputs[output]!.shape);
      return { name: output, type, shape: dimensionsOf(merged) };
    });
  }
}

/** The first use of a tensor in a recording, if any. */
function useOf({ calls, outputs }: Recording, id: number): RecordedValue | undefined {
  const uses = [...calls.flatMap(({ inputs }) => Object.values(inputs)), ...Object.values(outputs)];
  return uses.find((value) => value.id === id);
}

function dimensionsOf(shape: readonly Size[]): Dimension[] {
  return shape.map((size) => size ?? batchDimension);
}

function mergeShapes(shape: readonly number[], other: readonly number[] | undefined): readonly Size[] {
  return shape.map((size, i) => (other === undefined || other[i] === size ? size : undefined));
}

/** Merges an attribute of both recordings; undefined if it depends on the batch. */
function merge(a: unknown, b: unknown): unknown {
  if (Array.isArray(a) && Array.isArray(b) && a.length === b.length)
    return a.map((item, i) => merge(item, b[i]));
  return a === b ? a : undefined;
}

function mapValues<T, U>(
  record: Readonly<Record<string, T>>,
  map: (value: T, name: string) => U,
): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value, name)]));
}
