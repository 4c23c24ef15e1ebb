/**
 * Writes recorded kernels as an ONNX graph, kernel for kernel (operators.ts), so there is no second definition of a model.
 * From two recordings, of batches of different size, the graph takes batches of any size: sizes that differ between the
 * recordings depend on the batch.
 */
import type { KernelCall, RecordedConstant, RecordedValue, Recording } from '../tensor';
import { encodeOnnx, type Initializer, type Node, type ValueInfo } from './model';
import { operators } from './operators';
import {
  UntranslatableError,
  type GraphBuilder,
  type Size,
  type TracedCall,
  type TracedValue,
} from './traced-call';

/** An input or a weight of the graph, with its id in each recording. */
export interface NamedTensor {
  name: string;
  ids: readonly number[];
  /** Values of a weight; absent for an input. */
  data?: Float32Array;
}

/** Builder of nodes in front of the recording, which may add inputs and constants in double precision. */
export interface PreludeBuilder extends GraphBuilder {
  input(info: ValueInfo): string;
  doubles(values: readonly number[]): string;
}

export interface GraphParts {
  name: string;
  /** One recording for a fixed batch size, or two with different batch sizes for batches of any size. */
  recordings: readonly Recording[];
  /** Every tensor that existed before the recording, in the order of the graph's inputs. */
  named: readonly NamedTensor[];
  metadata?: Readonly<Record<string, string>>;
  /** Adds nodes that compute inputs of the recording. Returns the names of the computed values, by input. */
  prelude?: (graph: PreludeBuilder) => Readonly<Record<string, string>>;
}

/** Name of the batch dimension. */
export const batchDimension = 'batch';

/**
 * The bytes of a `.onnx` file; its outputs have the names of the recording.
 * @throws UntranslatableError if a kernel or a use of it has no counterpart in ONNX
 */
export function writeGraph({ name, recordings, named, metadata = {}, prelude }: GraphParts): Uint8Array {
  const [first, second] = [recordings[0]!, recordings[1]];
  const nodes: Node[] = [];
  const initializers = new Map<string, Initializer>();
  const inputs: ValueInfo[] = [];
  let names = 0;

  const builder: GraphBuilder = {
    node: (operator, given, attributes) => builder.nodes(operator, given, 1, attributes)[0]!,
    nodes(operator, given, count, attributes = {}) {
      const outputs = Array.from({ length: count }, () => `${operator}_${names++}`);
      nodes.push({ operator, inputs: given, outputs, attributes });
      return outputs;
    },
    scalar: (value) => addInitializer('float32', [], Float32Array.of(value)),
    list: (values) => addInitializer('int64', [values.length], BigInt64Array.from(values, BigInt)),
    ones(shape) {
      const size = shape.reduce((product, length) => product * length, 1);
      return addInitializer('float32', shape, new Float32Array(size).fill(1));
    },
  };

  /** Equal small constants share one initializer. */
  function addInitializer(
    type: Initializer['type'],
    shape: readonly number[],
    data: Initializer['data'],
  ): string {
    const key = data.length > 16 ? `constant_${names++}` : `${type}_${shape.join('x')}_${data.join('_')}`;
    if (!initializers.has(key)) initializers.set(key, { name: key, type, shape, data });
    return key;
  }

  /** Tensors by their id in the first recording. */
  const values = new Map<number, TracedValue>();
  const made =
    prelude?.({
      ...builder,
      doubles: (numbers) => addInitializer('float64', [numbers.length], Float64Array.from(numbers)),
      input(info) {
        inputs.push(info);
        return info.name;
      },
    }) ?? {};
  for (const tensor of named) {
    const [value] = usesOf(first, tensor.ids[0]!);
    // An unused tensor is not part of the graph.
    if (value === undefined) continue;
    const shape = mergeShapes(value.shape, second && usesOf(second, tensor.ids[1]!)[0]?.shape);
    const { type } = value;
    values.set(value.id, { name: tensor.name, shape, type });
    const info = { name: tensor.name, type, shape: shape.map((size) => size ?? batchDimension) };
    const maker = made[tensor.name];
    if (maker !== undefined) {
      nodes.push({ operator: 'Identity', inputs: [maker], outputs: [tensor.name], attributes: {} });
    } else if (tensor.data === undefined) inputs.push(info);
    else {
      initializers.set(tensor.name, {
        name: tensor.name,
        type: 'float32',
        shape: value.shape,
        data: tensor.data,
      });
    }
  }
  first.constants.forEach((constant, i) => {
    const other = second?.constants[i];
    const sameShape = other === undefined || other.shape.join() === constant.shape.join();
    if (!sameShape || (other !== undefined && other.data.join() !== constant.data.join()))
      throw new UntranslatableError(
        `a constant of shape [${constant.shape.join(', ')}] depends on the batch size`,
      );
    values.set(constant.id, {
      name: writeConstant(constant),
      shape: constant.shape,
      type: constant.type,
    });
  });

  /** A constant of equal values is written as one value and expanded by onnxruntime when it loads the file. */
  function writeConstant({ shape, type, data }: RecordedConstant): string {
    const isUniform = data.length > 1 && data.every((value) => value === data[0]);
    if (type !== 'float32') {
      return addInitializer(type, shape, type === 'bool' ? Uint8Array.from(data) : Int32Array.from(data));
    }
    if (!isUniform) return addInitializer('float32', shape, Float32Array.from(data));
    return builder.node('Expand', [builder.scalar(data[0]!), builder.list(shape)]);
  }

  if (second !== undefined && second.calls.length !== first.calls.length)
    throw new UntranslatableError('the kernels depend on the batch size');
  first.calls.forEach((call, i) => {
    const traced = traceCall(call, second?.calls[i], values);
    const translate = operators[call.kernel];
    if (translate === undefined)
      throw new UntranslatableError(`the kernel ${call.kernel} has no translation to ONNX`);
    translate(traced, builder).forEach((output, j) =>
      values.set(call.outputs[j]!.id, { name: output, ...traced.outputs[j]! }),
    );
  });

  const outputs = Object.entries(first.outputs).map(([output, { id, shape, type }]): ValueInfo => {
    values.set(id, { ...values.get(id)!, name: nameOutput(values.get(id)!.name, output) });
    const merged = mergeShapes(shape, second?.outputs[output]!.shape);
    return { name: output, type, shape: merged.map((size) => size ?? batchDimension) };
  });

  /** Renames a value to an output; a value that is an input or another output is copied. */
  function nameOutput(name: string, output: string): string {
    const maker = nodes.find((node) => node.outputs.includes(name));
    if (maker === undefined || name in first.outputs) {
      nodes.push({ operator: 'Identity', inputs: [name], outputs: [output], attributes: {} });
      return name;
    }
    const rename = (one: string): string => (one === name ? output : one);
    nodes.forEach((node, i) => {
      nodes[i] = { ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename) };
    });
    return output;
  }
  const needed = neededFor(
    nodes,
    outputs.map((output) => output.name),
  );
  return encodeOnnx({
    name,
    nodes: needed.nodes,
    initializers: [...initializers.values()].filter((one) => needed.values.has(one.name)),
    inputs: inputs.filter((input) => needed.values.has(input.name)),
    outputs,
    metadata,
  });
}

/** Every use of a tensor in a recording. */
function usesOf({ calls, outputs }: Recording, id: number): RecordedValue[] {
  return [...calls.flatMap(({ inputs }) => Object.values(inputs)), ...Object.values(outputs)].filter(
    (value) => value.id === id,
  );
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

/** The nodes that the outputs depend on, in order, and the names of the values that these nodes read. */
function neededFor(
  nodes: readonly Node[],
  outputs: readonly string[],
): { nodes: Node[]; values: ReadonlySet<string> } {
  const values = new Set(outputs);
  const needed = nodes.toReversed().filter((node) => {
    if (!node.outputs.some((output) => values.has(output))) return false;
    for (const input of node.inputs) values.add(input);
    return true;
  });
  return { nodes: needed.reverse(), values };
}
