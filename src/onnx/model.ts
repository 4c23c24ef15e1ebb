/** An ONNX model as objects, and its encoding: https://onnx.ai/onnx/repo-docs/IR.html. */
import { endianness } from 'node:os';
import { bytes, float, int, ints, message, text, type Field } from '../system/protobuf';

/** Versions of the format and of the operators, which onnxruntime 1.14 and later read. */
const irVersion = 8;
const opsetVersion = 18;

export type ElementType = 'float32' | 'float64' | 'int32' | 'int64' | 'bool' | 'uint8';

const elementCodes: Readonly<Record<ElementType, number>> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
};

/** Size of a dimension; a name stands for any size, the same one wherever the name occurs. */
export type Dimension = number | string;

export interface ValueInfo {
  name: string;
  type: ElementType;
  shape: readonly Dimension[];
}

export type AttributeValue = number | { float: number } | readonly number[] | string;

export interface Node {
  operator: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes: Readonly<Record<string, AttributeValue>>;
}

/** A constant tensor of the model. */
export interface Initializer {
  name: string;
  type: ElementType;
  shape: readonly number[];
  data: Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array;
}

export interface OnnxModel {
  name: string;
  nodes: readonly Node[];
  initializers: readonly Initializer[];
  inputs: readonly ValueInfo[];
  outputs: readonly ValueInfo[];
  metadata: Readonly<Record<string, string>>;
}

/** The bytes of a `.onnx` file. */
export function encodeOnnx({ name, nodes, initializers, inputs, outputs, metadata }: OnnxModel): Uint8Array {
  if (endianness() !== 'LE') throw new Error('onnx: big-endian machines are not supported');
  const graph = message(
    nodes.flatMap((node) => bytes(1, encodeNode(node))),
    text(2, name),
    initializers.flatMap((tensor) => bytes(5, encodeTensor(tensor))),
    inputs.flatMap((info) => bytes(11, encodeValueInfo(info))),
    outputs.flatMap((info) => bytes(12, encodeValueInfo(info))),
  );
  return message(
    int(1, irVersion),
    text(2, 'vaemon'),
    bytes(7, graph),
    // The standard operators have the empty domain.
    bytes(8, message(text(1, ''), int(2, opsetVersion))),
    Object.entries(metadata).flatMap(([key, value]) => bytes(14, message(text(1, key), text(2, value)))),
  );
}

function encodeNode({ operator, inputs, outputs, attributes }: Node): Uint8Array {
  return message(
    inputs.flatMap((input) => text(1, input)),
    outputs.flatMap((output) => text(2, output)),
    text(4, operator),
    Object.entries(attributes).flatMap(([name, value]) =>
      bytes(5, message(text(1, name), encodeValue(value))),
    ),
  );
}

const attributeTypes = { float: 1, int: 2, string: 3, ints: 7 } as const;

function encodeValue(value: AttributeValue): Field {
  const typed = (type: keyof typeof attributeTypes): Field => int(20, attributeTypes[type]);
  if (typeof value === 'number') return [...int(3, value), ...typed('int')];
  if (typeof value === 'string') return [...text(4, value), ...typed('string')];
  if ('float' in value) return [...float(2, value.float), ...typed('float')];
  return [...ints(8, value), ...typed('ints')];
}

function encodeTensor({ name, type, shape, data }: Initializer): Uint8Array {
  return message(
    ints(1, shape),
    int(2, elementCodes[type]),
    text(8, name),
    bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  );
}

function encodeValueInfo({ name, type, shape }: ValueInfo): Uint8Array {
  const dimensions = shape.flatMap((size) =>
    bytes(1, message(typeof size === 'number' ? int(1, size) : text(2, size))),
  );
  const tensor = message(int(1, elementCodes[type]), bytes(2, message(dimensions)));
  return message(text(1, name), bytes(2, message(bytes(1, tensor))));
}
