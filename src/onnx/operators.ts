/**
 * Translation of each tfjs kernel to ONNX: https://onnx.ai/onnx/operators. Images are [batch, height, width, channels] in tfjs
 * and [batch, channels, height, width] in ONNX; onnxruntime removes pairs of transpositions that cancel.
 */
import type { ValueType } from '../tensor';
import type { OnnxGraphBuilder } from './graph-builder';

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

/** ONNX has no equivalent of a computation, so tfjs must run it. */
export class UntranslatableError extends Error {
  override readonly name = 'UntranslatableError';
}

/** Adds the nodes of a kernel; returns the names of the outputs. */
type Operator = (call: TracedCall, graph: OnnxGraphBuilder) => readonly string[];

/** A kernel that is one ONNX operator, with the inputs in this order. */
function same(operator: string, ...inputs: readonly string[]): Operator {
  return (call, graph) => [
    graph.node(
      operator,
      inputs.map((name) => input(call, name).name),
    ),
  ];
}

/** A kernel that returns its input. */
const alias: Operator = (call) => [input(call, 'x').name];

function input({ kernel, inputs }: TracedCall, name: string): TracedValue {
  const value = inputs[name];
  if (value === undefined) throw new UntranslatableError(`${kernel} lacks its input ${name}`);
  return value;
}

/** Names of the inputs of a kernel that takes a list, in order. */
function members({ inputs }: TracedCall): string[] {
  return Object.keys(inputs)
    .sort((a, b) => Number(a) - Number(b))
    .map((key) => inputs[key]!.name);
}

/** Undefined = all dimensions. */
function axesOf(given: unknown): number[] | undefined {
  return given === null || given === undefined ? undefined : [given as number | number[]].flat();
}

/** A sum, mean, minimum or maximum over some dimensions. */
function reduction(operator: string, axes: string): Operator {
  return (call, graph) => {
    const { shape, name } = input(call, 'x');
    const all = axesOf(call.attributes[axes]) ?? [...shape.keys()];
    // In ONNX an empty list means all dimensions.
    if (all.length === 0) return [name];
    const positive = all.map((axis) => (axis + shape.length) % shape.length);
    const keepdims = call.attributes['keepDims'] === true ? 1 : 0;
    return [graph.node(operator, [name, graph.list(positive)], { keepdims })];
  };
}

/** Reshapes to the shape of the output, in which at most one size may depend on the batch. */
const reshape: Operator = (call, graph) => {
  const x = input(call, 'x');
  const { shape } = call.outputs[0]!;
  if (shape.length === x.shape.length && shape.every((size, i) => size !== undefined && size === x.shape[i]))
    return [x.name];
  if (shape.filter((size) => size === undefined).length > 1)
    throw new UntranslatableError(`${call.kernel} to a shape with two sizes that depend on the batch`);
  return [graph.node('Reshape', [x.name, graph.list(shape.map((size) => size ?? -1))])];
};

/**
 * A sum along the last dimension is written as a product with ones: the order of onnxruntime's own sum depends on the alignment
 * of the row in memory, so the last bits of a row would depend on its place in the batch.
 */
const sum: Operator = (call, graph) => {
  const { shape, name } = input(call, 'x');
  const axes = axesOf(call.attributes['axis']) ?? [];
  const [axis] = axes;
  const keep = call.attributes['keepDims'] === true;
  // Along the first dimension a product is several times faster.
  if (axes.length === 1 && axis === 0 && shape.length === 2 && shape[0] !== undefined) {
    const sums = graph.node('MatMul', [graph.ones([1, shape[0]]), name]);
    return [keep ? sums : graph.node('Squeeze', [sums, graph.list([0])])];
  }
  const last = shape.at(-1);
  if (axes.length !== 1 || shape.length < 2 || last === undefined) return reduceSum(call, graph);
  if ((axis! + shape.length) % shape.length !== shape.length - 1) return reduceSum(call, graph);
  const sums = graph.node('MatMul', [name, graph.ones([last, 1])]);
  return [keep ? sums : graph.node('Squeeze', [sums, graph.list([-1])])];
};

const reduceSum = reduction('ReduceSum', 'axis');

const onnxTypes = { float32: 1, int32: 6, bool: 9 } as const;

const cast: Operator = (call, graph) => {
  const x = input(call, 'x');
  const { type } = call.outputs[0]!;
  return [x.type === type ? x.name : graph.node('Cast', [x.name], { to: onnxTypes[type] })];
};

const matMul: Operator = (call, graph) => {
  const [a, b] = [input(call, 'a'), input(call, 'b')];
  const { transposeA = false, transposeB = false } = call.attributes as Record<string, boolean>;
  if (!transposeA && !transposeB) return [graph.node('MatMul', [a.name, b.name])];
  if (a.shape.length !== 2 || b.shape.length !== 2)
    throw new UntranslatableError('BatchMatMul of transposed matrices with more than two dimensions');
  return [graph.node('Gemm', [a.name, b.name], { transA: Number(transposeA), transB: Number(transposeB) })];
};

/** Slices the dimensions that are not taken whole; the batch dimension must be taken whole. */
const slice: Operator = (call, graph) => {
  const x = input(call, 'x');
  const begin = call.attributes['begin'] as readonly Size[];
  const { shape } = call.outputs[0]!;
  const axes = [...shape.keys()].filter((axis) => begin[axis] !== 0 || shape[axis] !== x.shape[axis]);
  if (axes.length === 0) return [x.name];
  const known = (size: Size): number => {
    if (size === undefined) throw new UntranslatableError('Slice at a position that depends on the batch');
    return size;
  };
  const starts = axes.map((axis) => known(begin[axis]));
  const ends = axes.map((axis, i) => starts[i]! + known(shape[axis]));
  return [graph.node('Slice', [x.name, graph.list(starts), graph.list(ends), graph.list(axes)])];
};

const split: Operator = (call, graph) => {
  const x = input(call, 'x');
  const axis = (Number(call.attributes['axis']) + x.shape.length) % x.shape.length;
  const sizes = call.outputs.map(({ shape }) => shape[axis]);
  if (sizes.includes(undefined)) throw new UntranslatableError('SplitV along the batch');
  const list = graph.list(sizes as number[]);
  return graph.nodes('Split', [x.name, list], sizes.length, { axis });
};

const toChannelsFirst = [0, 3, 1, 2] as const;
const toChannelsLast = [0, 2, 3, 1] as const;

interface Convolution {
  strides: readonly number[];
  dilations: readonly number[];
  pads: readonly number[];
}

/** Strides, dilations and padding of a convolution of `image` to `output`, both [batch, height, width, channels]. */
function convolutionOf(
  { attributes, kernel }: TracedCall,
  image: readonly Size[],
  filter: readonly Size[],
  output: readonly Size[],
): Convolution {
  const pair = (value: unknown): number[] =>
    Array.isArray(value) ? (value as number[]) : [value, value].map(Number);
  const strides = pair(attributes['strides']);
  const dilations = pair(attributes['dilations'] ?? 1);
  const { pad, dataFormat = 'NHWC' } = attributes;
  if (dataFormat !== 'NHWC')
    throw new UntranslatableError(`${kernel} with the data format ${String(dataFormat)}`);
  const borders = [0, 1].map((i): [number, number] => {
    if (pad === 'valid') return [0, 0];
    if (pad !== 'same') return [Number(pad), Number(pad)];
    const reach = (filter[i]! - 1) * dilations[i]! + 1;
    const total = Math.max(0, (output[i + 1]! - 1) * strides[i]! + reach - image[i + 1]!);
    return [Math.floor(total / 2), total - Math.floor(total / 2)];
  });
  return { strides, dilations, pads: [...borders.map(([begin]) => begin), ...borders.map(([, end]) => end)] };
}

/** Filters are [height, width, in, out] in tfjs and [out, in, height, width] in ONNX. */
const conv2d: Operator = (call, graph) => {
  const [x, filter] = [input(call, 'x'), input(call, 'filter')];
  const { strides, dilations, pads } = convolutionOf(call, x.shape, filter.shape, call.outputs[0]!.shape);
  const turned = graph.node('Transpose', [x.name], { perm: toChannelsFirst });
  const weights = graph.node('Transpose', [filter.name], { perm: [3, 2, 0, 1] });
  const y = graph.node('Conv', [turned, weights], { strides, dilations, pads });
  return [graph.node('Transpose', [y], { perm: toChannelsLast })];
};

/** Filters are [height, width, in, 1] in tfjs; each filters one channel. */
const depthwiseConv2d: Operator = (call, graph) => {
  const [x, filter] = [input(call, 'x'), input(call, 'filter')];
  const [, , channels, multiplier] = filter.shape;
  if (channels === undefined || multiplier !== 1)
    throw new UntranslatableError(`${call.kernel} with more than one filter for a channel`);
  const { strides, dilations, pads } = convolutionOf(call, x.shape, filter.shape, call.outputs[0]!.shape);
  const turned = graph.node('Transpose', [x.name], { perm: toChannelsFirst });
  const weights = graph.node('Transpose', [filter.name], { perm: [2, 3, 0, 1] });
  const y = graph.node('Conv', [turned, weights], { strides, dilations, pads, group: channels });
  return [graph.node('Transpose', [y], { perm: toChannelsLast })];
};

/** The transposed convolution. `output_padding` extends the output at its end to the size that tfjs gives it. */
const conv2dBackpropInput: Operator = (call, graph) => {
  const [dy, filter] = [input(call, 'dy'), input(call, 'filter')];
  const { shape } = call.outputs[0]!;
  const { strides, dilations, pads } = convolutionOf(call, shape, filter.shape, dy.shape);
  const outputPadding = [0, 1].map((i) => {
    const reach = (dy.shape[i + 1]! - 1) * strides[i]! + filter.shape[i]!;
    return shape[i + 1]! - (reach - pads[i]! - pads[i + 2]!);
  });
  const turned = graph.node('Transpose', [dy.name], { perm: toChannelsFirst });
  const weights = graph.node('Transpose', [filter.name], { perm: [3, 2, 0, 1] });
  const x = graph.node('ConvTranspose', [turned, weights], {
    strides,
    dilations,
    pads,
    output_padding: outputPadding,
  });
  return [graph.node('Transpose', [x], { perm: toChannelsLast })];
};

const pad: Operator = (call, graph) => {
  const x = input(call, 'x');
  const paddings = call.attributes['paddings'] as readonly (readonly [number, number])[];
  const list = graph.list([...paddings.map(([begin]) => begin), ...paddings.map(([, end]) => end)]);
  return [graph.node('Pad', [x.name, list, graph.scalar(Number(call.attributes['constantValue']))])];
};

export const operators: Readonly<Record<string, Operator>> = {
  Abs: same('Abs', 'x'),
  Add: same('Add', 'a', 'b'),
  AddN: (call, graph) => [graph.node('Sum', members(call))],
  BatchMatMul: matMul,
  Cast: cast,
  ClipByValue: (call, graph) => [
    graph.node('Clip', [
      input(call, 'x').name,
      graph.scalar(Number(call.attributes['clipValueMin'])),
      graph.scalar(Number(call.attributes['clipValueMax'])),
    ]),
  ],
  Concat: (call, graph) => [graph.node('Concat', members(call), { axis: Number(call.attributes['axis']) })],
  Conv2D: conv2d,
  Conv2DBackpropInput: conv2dBackpropInput,
  DepthwiseConv2dNative: depthwiseConv2d,
  Exp: same('Exp', 'x'),
  ExpandDims: (call, graph) => reshape({ ...call, inputs: { x: input(call, 'input') } }, graph),
  // exp(x) − 1 = 2t / (1 − t) with t = tanh(x/2), which is precise near 0.
  Expm1(call, graph) {
    const t = graph.node('Tanh', [graph.node('Mul', [input(call, 'x').name, graph.scalar(0.5)])]);
    const twice = graph.node('Mul', [t, graph.scalar(2)]);
    return [graph.node('Div', [twice, graph.node('Sub', [graph.scalar(1), t])])];
  },
  Mod(call, graph) {
    const [a, b] = [input(call, 'a').name, input(call, 'b').name];
    const times = graph.node('Floor', [graph.node('Div', [a, b])]);
    return [graph.node('Sub', [a, graph.node('Mul', [b, times])])];
  },
  Greater: same('Greater', 'a', 'b'),
  GreaterEqual: same('GreaterOrEqual', 'a', 'b'),
  Identity: alias,
  Less: same('Less', 'a', 'b'),
  LessEqual: same('LessOrEqual', 'a', 'b'),
  Log: same('Log', 'x'),
  Log1p: (call, graph) => [graph.node('Log', [graph.node('Add', [input(call, 'x').name, graph.scalar(1)])])],
  LogicalAnd: same('And', 'a', 'b'),
  Max: reduction('ReduceMax', 'reductionIndices'),
  Maximum: same('Max', 'a', 'b'),
  Mean: reduction('ReduceMean', 'axis'),
  Min: reduction('ReduceMin', 'axis'),
  Minimum: same('Min', 'a', 'b'),
  Multiply: same('Mul', 'a', 'b'),
  Neg: same('Neg', 'x'),
  PadV2: pad,
  RealDiv: same('Div', 'a', 'b'),
  Relu: same('Relu', 'x'),
  Reshape: reshape,
  Select: same('Where', 'condition', 't', 'e'),
  Sigmoid: same('Sigmoid', 'x'),
  Sign: same('Sign', 'x'),
  Slice: slice,
  // max(x, 0) − log sigmoid(|x|): onnxruntime's own operator is not vectorised and takes thirty times as long.
  Softplus(call, graph) {
    const { name } = input(call, 'x');
    const rest = graph.node('Log', [graph.node('Sigmoid', [graph.node('Abs', [name])])]);
    return [graph.node('Sub', [graph.node('Relu', [name]), rest])];
  },
  SplitV: split,
  Sqrt: same('Sqrt', 'x'),
  Square: (call, graph) => [graph.node('Mul', [input(call, 'x').name, input(call, 'x').name])],
  Step(call, graph) {
    const otherwise = Number(call.attributes['alpha'] ?? 0);
    const above = graph.node('Greater', [input(call, 'x').name, graph.scalar(0)]);
    if (otherwise === 0) return [graph.node('Cast', [above], { to: onnxTypes.float32 })];
    return [graph.node('Where', [above, graph.scalar(1), graph.scalar(otherwise)])];
  },
  Sub: same('Sub', 'a', 'b'),
  Sum: sum,
  Tanh: same('Tanh', 'x'),
  Tile(call, graph) {
    const reps = call.attributes['reps'] as readonly Size[];
    if (reps.includes(undefined))
      throw new UntranslatableError('Tile with a count that depends on the batch');
    return [graph.node('Tile', [input(call, 'x').name, graph.list(reps as number[])])];
  },
  Transpose: (call, graph) => [
    graph.node('Transpose', [input(call, 'x').name], { perm: call.attributes['perm'] as number[] }),
  ],
};
