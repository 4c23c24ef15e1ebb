/**
 * Writer of the part of Protocol Buffers that ONNX files and remote writes use: https://protobuf.dev/programming-guides/encoding. A message is the
 * concatenation of its fields; an absent field has its default value.
 */

/** Encoded fields of a message. */
export type Field = readonly Uint8Array[];

/** Encodes a message. */
export function message(...fields: readonly Field[]): Uint8Array {
  const parts = fields.flat();
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const wireTypes = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

function tag(number: number, type: keyof typeof wireTypes): Uint8Array {
  return varint(BigInt((number << 3) | wireTypes[type]));
}

/** Encodes seven bits per byte, the least significant first; negative numbers as 64-bit two's complement. */
function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

/** Encodes a whole number. */
export function int(number: number, value: number | bigint): Field {
  return [tag(number, 'varint'), varint(BigInt(value))];
}

/** Encodes whole numbers, one field per number. */
export function ints(number: number, values: readonly (number | bigint)[]): Field {
  return values.flatMap((value) => int(number, value));
}

export function float(number: number, value: number): Field {
  return [tag(number, 'fixed32'), new Uint8Array(Float32Array.of(value).buffer)];
}

export function double(number: number, value: number): Field {
  return [tag(number, 'fixed64'), new Uint8Array(Float64Array.of(value).buffer)];
}

/** Encodes a nested message, or raw bytes. */
export function bytes(number: number, value: Uint8Array): Field {
  return [tag(number, 'bytes'), varint(BigInt(value.length)), value];
}

export function text(number: number, value: string): Field {
  return bytes(number, new TextEncoder().encode(value));
}
