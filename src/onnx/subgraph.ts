/** The part of an ONNX file that begins at values within it: who has computed these already need not run what makes them. */
import { bytes as bytesField, each, message, type Field } from './protobuf';

/** One field of an encoded message. */
interface EncodedField {
  number: number;
  /** The field as it is, tag included. */
  raw: Uint8Array;
  /** What a field of bytes holds; empty for a number. */
  content: Uint8Array;
}

/** Numbers of the fields in ModelProto, GraphProto, NodeProto, TensorProto and ValueInfoProto. */
const fields = {
  graph: 7,
  node: 1,
  initializer: 5,
  input: 11,
  output: 12,
  valueInfo: 13,
  nodeInput: 1,
  nodeOutput: 2,
  tensorName: 8,
  valueName: 1,
} as const;

/**
 * A file that computes the same outputs from the values called `names`, which must be described in the file (`value_info`),
 * and from those inputs that are needed beside them.
 * @throws Error when the file does not describe one of them
 */
export function subgraphFrom(model: Uint8Array, names: readonly string[]): Uint8Array {
  return message(
    each(readFields(model), (field) =>
      field.number === fields.graph ? bytesField(fields.graph, cut(field.content, names)) : [field.raw],
    ),
  );
}

function cut(graph: Uint8Array, names: readonly string[]): Uint8Array {
  const all = readFields(graph);
  const of = (number: number): EncodedField[] => all.filter((field) => field.number === number);
  const described = new Map(
    of(fields.valueInfo).map((info) => [nameOf(info, fields.valueName), info.content]),
  );
  const begins = names.map((name): Field => {
    const info = described.get(name);
    if (info === undefined) throw new Error(`onnx: the file does not describe a value "${name}"`);
    return bytesField(fields.input, info);
  });

  const needed = new Set(of(fields.output).map((output) => nameOf(output, fields.valueName)));
  const nodes = new Set<EncodedField>();
  for (const node of of(fields.node).reverse()) {
    const inner = readFields(node.content);
    const texts = (number: number): string[] =>
      inner.filter((field) => field.number === number).map(({ content }) => decode(content));
    const makes = texts(fields.nodeOutput).filter((output) => !names.includes(output));
    if (!makes.some((output) => needed.has(output))) continue;
    nodes.add(node);
    for (const input of texts(fields.nodeInput)) needed.add(input);
  }
  const isKept = (field: EncodedField): boolean => {
    switch (field.number) {
      case fields.node:
        return nodes.has(field);
      case fields.initializer:
        return needed.has(nameOf(field, fields.tensorName));
      case fields.input:
        return needed.has(nameOf(field, fields.valueName));
      case fields.valueInfo:
        return !names.includes(nameOf(field, fields.valueName));
      default:
        return true;
    }
  };
  return message(
    all.filter(isKept).map(({ raw }) => raw),
    begins.flat(),
  );
}

function nameOf({ content }: EncodedField, number: number): string {
  const field = readFields(content).find((inner) => inner.number === number);
  return field === undefined ? '' : decode(field.content);
}

const decode = (content: Uint8Array): string => new TextDecoder().decode(content);

/** The fields of a message, in order. */
function readFields(encoded: Uint8Array): EncodedField[] {
  const found: EncodedField[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = encoded[at++];
      if (byte === undefined) throw new Error('onnx: the file is cut off');
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < encoded.length) {
    const start = at;
    const tag = varint();
    const [number, type] = [Math.floor(tag / 8), tag % 8];
    let content = new Uint8Array();
    if (type === 0) varint();
    else if (type === 5) at += 4;
    else if (type === 1) at += 8;
    else if (type === 2) {
      const length = varint();
      content = encoded.subarray(at, at + length) as Uint8Array<ArrayBuffer>;
      at += length;
    } else throw new Error(`onnx: a field of the unknown type ${type}`);
    if (at > encoded.length) throw new Error('onnx: the file is cut off');
    found.push({ number, raw: encoded.subarray(start, at), content });
  }
  return found;
}
