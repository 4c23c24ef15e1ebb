/** The nodes, constants and inputs of a graph that is being written. The builder chooses the names of values. */
import type { RecordedConstant } from '../tensor';
import type { Initializer, Node, OnnxModel, ValueInfo } from './model';

/** Constants with more values are not compared with others. */
const maxSharedValues = 16;

export class OnnxGraphBuilder {
  private nodeList: Node[] = [];
  private readonly initializers = new Map<string, Initializer>();
  private readonly inputs: ValueInfo[] = [];
  private names = 0;

  /** Adds a node with one output; returns the name of the output. */
  node(operator: string, inputs: readonly string[], attributes?: Node['attributes']): string {
    return this.nodes(operator, inputs, 1, attributes)[0]!;
  }

  /** Adds a node with several outputs; returns their names. */
  nodes(
    operator: string,
    inputs: readonly string[],
    count: number,
    attributes: Node['attributes'] = {},
  ): string[] {
    const outputs = Array.from({ length: count }, () => `${operator}_${this.names++}`);
    this.nodeList.push({ operator, inputs, outputs, attributes });
    return outputs;
  }

  /** Adds a constant float32 scalar. */
  scalar(value: number): string {
    return this.constant('float32', [], Float32Array.of(value));
  }

  /** Adds a constant int64 list, as for shapes and axes. */
  list(values: readonly number[]): string {
    return this.constant('int64', [values.length], BigInt64Array.from(values, BigInt));
  }

  /** Adds a constant float32 tensor of ones. */
  ones(shape: readonly number[]): string {
    const size = shape.reduce((product, length) => product * length, 1);
    return this.constant('float32', shape, new Float32Array(size).fill(1));
  }

  /** Adds a constant float64 list. */
  doubles(values: readonly number[]): string {
    return this.constant('float64', [values.length], Float64Array.from(values));
  }

  /** Adds an input of the graph; returns its name. */
  input(info: ValueInfo): string {
    this.inputs.push(info);
    return info.name;
  }

  /** Adds a constant tensor with a given name, such as a weight. */
  weight(name: string, shape: readonly number[], data: Float32Array): void {
    this.initializers.set(name, { name, type: 'float32', shape, data });
  }

  /** Adds a second name for a value. */
  copy(from: string, to: string): void {
    this.nodeList.push({ operator: 'Identity', inputs: [from], outputs: [to], attributes: {} });
  }

  /**
   * Adds a constant of a recording. If all values are equal, only one is written, which onnxruntime expands when it loads the
   * file.
   */
  recorded({ shape, type, data }: RecordedConstant): string {
    if (type === 'bool') return this.constant(type, shape, Uint8Array.from(data));
    if (type === 'int32') return this.constant(type, shape, Int32Array.from(data));
    const isUniform = data.length > 1 && data.every((value) => value === data[0]);
    if (!isUniform) return this.constant('float32', shape, Float32Array.from(data));
    return this.node('Expand', [this.scalar(data[0]!), this.list(shape)]);
  }

  /** Whether a node computes the value; otherwise it is an input or a constant. */
  isComputed(name: string): boolean {
    return this.nodeList.some(({ outputs }) => outputs.includes(name));
  }

  rename(from: string, to: string): void {
    const renamed = (name: string): string => (name === from ? to : name);
    this.nodeList = this.nodeList.map((node) => ({
      ...node,
      inputs: node.inputs.map(renamed),
      outputs: node.outputs.map(renamed),
    }));
  }

  /** The parts of the graph that the outputs depend on. */
  neededFor(outputs: readonly string[]): Pick<OnnxModel, 'nodes' | 'initializers' | 'inputs'> {
    const needed = new Set(outputs);
    const nodes = this.nodeList.toReversed().filter((node) => {
      if (!node.outputs.some((output) => needed.has(output))) return false;
      for (const input of node.inputs) needed.add(input);
      return true;
    });
    return {
      nodes: nodes.reverse(),
      initializers: [...this.initializers.values()].filter(({ name }) => needed.has(name)),
      inputs: this.inputs.filter(({ name }) => needed.has(name)),
    };
  }

  /** Equal small constants share one initializer. */
  private constant(type: Initializer['type'], shape: readonly number[], data: Initializer['data']): string {
    const name =
      data.length > maxSharedValues
        ? `constant_${this.names++}`
        : `${type}_${shape.join('x')}_${data.join('_')}`;
    if (!this.initializers.has(name)) this.initializers.set(name, { name, type, shape, data });
    return name;
  }
}
