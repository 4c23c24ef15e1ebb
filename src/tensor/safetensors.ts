/**
 * The safetensors format: 8 bytes with the length of the header (little endian), a JSON header
 * `{name: {dtype, shape, data_offsets: [begin, end]}, __metadata__: {…}}` padded with spaces, then the values.
 * Python, Rust and other languages have readers.
 */
import { endianness } from 'node:os';
import { isObject } from '../system/json';

/** A tensor in row-major order; the empty shape is a scalar. */
export type StoredTensor =
  | { dtype: 'F32'; shape: readonly number[]; data: Float32Array }
  | { dtype: 'F64'; shape: readonly number[]; data: Float64Array }
  | { dtype: 'I32'; shape: readonly number[]; data: Int32Array }
  | { dtype: 'U8'; shape: readonly number[]; data: Uint8Array };

const arrays = { F32: Float32Array, F64: Float64Array, I32: Int32Array, U8: Uint8Array } as const;
type Dtype = keyof typeof arrays;
const bytesPerValue = (dtype: Dtype): number => arrays[dtype].BYTES_PER_ELEMENT;

const lengthBytes = 8;
/** Limit of the reference implementation, which also bounds the memory for a damaged length. */
const maxHeaderBytes = 100_000_000;
const metadataKey = '__metadata__';

/**
 * The bytes of a safetensors file.
 * @throws Error if a shape does not match its data
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  requireLittleEndian();
  // Wider types come first, so that every tensor is aligned in the file.
  const ordered = [...tensors].sort(
    ([a, s], [b, t]) => bytesPerValue(t.dtype) - bytesPerValue(s.dtype) || (a < b ? -1 : 1),
  );
  const entries: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) entries.push([metadataKey, metadata]);
  let end = 0;
  for (const [name, tensor] of ordered) {
    checkTensor(name, tensor);
    const begin = end;
    end += tensor.data.byteLength;
    entries.push([name, { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [begin, end] }]);
  }
  const header = padded(JSON.stringify(Object.fromEntries(entries)));
  if (header.byteLength > maxHeaderBytes)
    throw invalid(`a header of ${header.byteLength} bytes is too large`);

  const dataStart = lengthBytes + header.byteLength;
  const bytes = new Uint8Array(dataStart + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.byteLength), true);
  bytes.set(header, lengthBytes);
  let offset = dataStart;
  for (const [, { data }] of ordered) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return bytes;
}

/**
 * The tensors of a safetensors file, copied.
 * @throws Error if the file violates the format
 */
export function decodeSafetensors(bytes: Uint8Array): {
  tensors: Map<string, StoredTensor>;
  metadata: Record<string, string>;
} {
  requireLittleEndian();
  const { header, data } = split(bytes);
  const entries = Object.entries(parseHeader(header));
  const metadata = parseMetadata(entries.find(([name]) => name === metadataKey)?.[1]);
  const located = entries
    .filter(([name]) => name !== metadataKey)
    .map(([name, entry]) => ({ name, ...parseEntry(name, entry) }));
  checkCoverage(located, data.byteLength);

  const tensors = new Map<string, StoredTensor>();
  for (const { name, dtype, shape, begin, end } of located) {
    // Copied, because the bytes may be unaligned in a larger buffer.
    const { buffer } = new Uint8Array(data.subarray(begin, end));
    tensors.set(name, { dtype, shape, data: new arrays[dtype](buffer) } as StoredTensor);
  }
  return { tensors, metadata };
}

function checkTensor(name: string, { dtype, shape, data }: StoredTensor): void {
  if (name === metadataKey) throw invalid(`a tensor must not have the name ${metadataKey}`);
  if (Buffer.from(name).toString() !== name) throw invalid(`${JSON.stringify(name)} is not valid Unicode`);
  // Types are compared by name, as instanceof fails for an array from another realm.
  const [wanted, given] = [arrays[dtype].name, data[Symbol.toStringTag]];
  if (given !== wanted) throw invalid(`tensor ${name}: dtype ${dtype} needs a ${wanted} (got ${given})`);
  if (sizeOf(name, shape) !== data.length)
    throw invalid(`tensor ${name}: shape [${shape.join(', ')}] does not match ${data.length} values`);
}

function sizeOf(name: string, shape: readonly unknown[]): number {
  let size = 1;
  for (const dimension of shape) {
    if (!isCount(dimension)) throw invalid(`tensor ${name}: invalid shape ${JSON.stringify(shape)}`);
    size *= dimension;
  }
  if (!isCount(size)) throw invalid(`tensor ${name}: shape ${JSON.stringify(shape)} is too large`);
  return size;
}

/** The JSON in UTF-8, padded with spaces to a multiple of 8 bytes. */
function padded(json: string): Uint8Array {
  const text = new TextEncoder().encode(json);
  const header = new Uint8Array(Math.ceil(text.byteLength / 8) * 8).fill(0x20);
  header.set(text);
  return header;
}

function split(bytes: Uint8Array): { header: string; data: Uint8Array } {
  if (bytes.byteLength < lengthBytes) throw invalid(`the file has only ${bytes.byteLength} bytes`);
  const length = new DataView(bytes.buffer, bytes.byteOffset, lengthBytes).getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes)) throw invalid(`a header of ${length} bytes is too large`);
  const dataStart = lengthBytes + Number(length);
  if (dataStart > bytes.byteLength) throw invalid(`the header of ${length} bytes is truncated`);
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  try {
    return { header: utf8.decode(bytes.subarray(lengthBytes, dataStart)), data: bytes.subarray(dataStart) };
  } catch (cause) {
    throw invalid('the header is not UTF-8', { cause });
  }
}

function parseHeader(text: string): Record<string, unknown> {
  if (!text.startsWith('{')) throw invalid('the header does not begin with {');
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (cause) {
    throw invalid('the header is not JSON', { cause });
  }
  refuseDuplicateKeys(text);
  return header as Record<string, unknown>;
}

/** Rejects duplicate keys: JSON.parse keeps the last one, but another reader may keep the first. */
function refuseDuplicateKeys(json: string): void {
  // The set of keys of each open object; undefined for an open array.
  const open: (Set<string> | undefined)[] = [];
  for (let i = 0; i < json.length; i++) {
    const character = json[i];
    if (character === '{') open.push(new Set());
    else if (character === '[') open.push(undefined);
    else if (character === '}' || character === ']') open.pop();
    else if (character === '"') {
      const start = i;
      for (i++; json[i] !== '"'; i++) if (json[i] === '\\') i++;
      let next = i + 1;
      while (' \t\r\n'.includes(json[next] ?? '.')) next++;
      if (json[next] !== ':') continue;
      const key = JSON.parse(json.slice(start, i + 1)) as string;
      if (open.at(-1)?.has(key) === true) throw invalid(`the key ${JSON.stringify(key)} is duplicated`);
      open.at(-1)?.add(key);
    }
  }
}

function parseMetadata(metadata: unknown): Record<string, string> {
  if (metadata === undefined) return {};
  if (!isObject(metadata)) throw invalid(`${metadataKey} is not an object`);
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string') throw invalid(`${metadataKey}.${key} is not a string`);
  }
  return metadata as Record<string, string>;
}

interface Located {
  dtype: Dtype;
  shape: number[];
  /** Byte offsets from the beginning of the data. */
  begin: number;
  end: number;
}

function parseEntry(name: string, entry: unknown): Located {
  if (!isObject(entry)) throw invalid(`the entry of tensor ${name} is not an object`);
  const { dtype: given, shape, data_offsets: offsets } = entry;
  const dtypes = Object.keys(arrays) as Dtype[];
  const dtype = dtypes.find((one) => one === given);
  if (dtype === undefined)
    throw invalid(`tensor ${name}: dtype ${JSON.stringify(given)} is not one of ${dtypes.join(', ')}`);
  if (!Array.isArray(shape)) throw invalid(`tensor ${name} has no shape`);
  const [begin, end, ...rest] = Array.isArray(offsets) ? (offsets as unknown[]) : [];
  if (!isCount(begin) || !isCount(end) || rest.length > 0 || end < begin)
    throw invalid(`tensor ${name}: invalid data_offsets ${JSON.stringify(offsets)}`);
  const bytes = sizeOf(name, shape) * bytesPerValue(dtype);
  if (end - begin !== bytes) {
    throw invalid(`tensor ${name}: its shape needs ${bytes} bytes, data_offsets give ${end - begin}`);
  }
  return { dtype, shape: shape as number[], begin, end };
}

/** Checks that every byte belongs to exactly one tensor. */
function checkCoverage(located: readonly (Located & { name: string })[], dataBytes: number): void {
  let covered = 0;
  for (const { name, begin, end } of [...located].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin < covered) throw invalid(`tensor ${name} overlaps another`);
    if (begin > covered) throw invalid(`there is a gap of ${begin - covered} bytes before tensor ${name}`);
    covered = end;
  }
  if (covered > dataBytes) throw invalid(`the data are truncated: ${dataBytes} of ${covered} bytes`);
  if (covered < dataBytes) throw invalid(`${dataBytes - covered} bytes follow the last tensor`);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function requireLittleEndian(): void {
  // Values are copied in the byte order of the machine, which must be little endian.
  if (endianness() !== 'LE') throw invalid('big-endian machines are not supported');
}

function invalid(message: string, options?: ErrorOptions): Error {
  return new Error(`safetensors: ${message}`, options);
}
