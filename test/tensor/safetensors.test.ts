import fc from 'fast-check';
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from '../../src/tensor/safetensors';
import { codePoint } from '../code-point';

/** A file with this header and that many bytes of data, also if the header has another size. */
function fileOf(header: string | object, dataBytes = 0): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(dataBytes)]);
}

const f32 = (shape: number[], begin: number, end: number) => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
});

const shapes = fc.array(fc.nat({ max: 4 }), { maxLength: 3 });
const tensors: fc.Arbitrary<StoredTensor> = shapes.chain((shape) => {
  const length = shape.reduce((a, b) => a * b, 1);
  const size = { minLength: length, maxLength: length };
  return fc.oneof(
    fc.float32Array(size).map((data) => ({ dtype: 'F32' as const, shape, data })),
    fc.float64Array(size).map((data) => ({ dtype: 'F64' as const, shape, data })),
    fc.int32Array(size).map((data) => ({ dtype: 'I32' as const, shape, data })),
    fc.uint8Array(size).map((data) => ({ dtype: 'U8' as const, shape, data })),
  );
});
const names = fc
  .oneof(fc.string({ unit: codePoint }), fc.constantFrom('__proto__', 'constructor', '0', '{"a":1}', '\\"'))
  .filter((name) => name !== '__metadata__');
const maps = fc.array(fc.tuple(names, tensors)).map((entries) => new Map(entries));

describe('round trip', () => {
  it('gives back every tensor bit for bit, and the metadata', () => {
    fc.assert(
      fc.property(maps, fc.dictionary(fc.string(), fc.string()), (given, metadata) => {
        const decoded = decodeSafetensors(encodeSafetensors(given, metadata));
        expect(decoded.tensors.size).toBe(given.size);
        expect(decoded.metadata).toEqual(metadata);
        for (const [name, tensor] of given) {
          const back = decoded.tensors.get(name);
          expect(back).toMatchObject({ dtype: tensor.dtype, shape: tensor.shape });
          expect(bytesOf(back!)).toEqual(bytesOf(tensor));
        }
      }),
      { numRuns: 200 },
    );
  });

  it('lays out the file as the format requires', () => {
    const bytes = encodeSafetensors(
      new Map<string, StoredTensor>([
        ['b', { dtype: 'F32', shape: [2], data: new Float32Array([1, -2]) }],
        ['a', { dtype: 'I32', shape: [], data: new Int32Array([7]) }],
        ['wide', { dtype: 'F64', shape: [1, 1], data: new Float64Array([0.1]) }],
      ]),
    );
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(length % 8).toBe(0);
    const header = Buffer.from(bytes.subarray(8, 8 + length)).toString();
    expect(header).toMatch(/} *$/);
    expect(JSON.parse(header)).toEqual({
      wide: { dtype: 'F64', shape: [1, 1], data_offsets: [0, 8] },
      a: { dtype: 'I32', shape: [], data_offsets: [8, 12] },
      b: { dtype: 'F32', shape: [2], data_offsets: [12, 20] },
    });
    const data = Buffer.from(bytes.subarray(8 + length));
    expect([data.readDoubleLE(0), data.readInt32LE(8), data.readFloatLE(12), data.readFloatLE(16)]).toEqual([
      0.1, 7, 1, -2,
    ]);
  });

  it('depends on the tensors alone, not on their order', () => {
    const entries: [string, StoredTensor][] = [
      ['x', { dtype: 'F32', shape: [1], data: new Float32Array([1]) }],
      ['y', { dtype: 'F32', shape: [1], data: new Float32Array([2]) }],
    ];
    expect(encodeSafetensors(new Map(entries))).toEqual(encodeSafetensors(new Map(entries.reverse())));
  });

  it('reads from any position in a larger buffer, and keeps no hold of it', () => {
    const file = encodeSafetensors(
      new Map([['x', { dtype: 'F64' as const, shape: [1], data: new Float64Array([1.5]) }]]),
    );
    const larger = new Uint8Array(file.length + 3);
    larger.set(file, 3);
    const { tensors: decoded } = decodeSafetensors(larger.subarray(3));
    larger.fill(0);
    expect([...decoded.get('x')!.data]).toEqual([1.5]);
  });

  it('writes a view of a larger array, not the array', () => {
    const data = new Float32Array([0, 1, 2, 3]).subarray(1, 3);
    const { tensors: decoded } = decodeSafetensors(
      encodeSafetensors(new Map([['x', { dtype: 'F32' as const, shape: [2], data }]])),
    );
    expect([...decoded.get('x')!.data]).toEqual([1, 2]);
  });
});

describe('encodeSafetensors', () => {
  const data = new Float32Array(4);
  it.each<[string, string, object, RegExp]>([
    [
      'a shape that does not match',
      'x',
      { dtype: 'F32', shape: [3], data },
      /shape \[3\] does not match 4 values/,
    ],
    ['a negative dimension', 'x', { dtype: 'F32', shape: [-4], data }, /invalid shape/],
    [
      'an array of another dtype',
      'x',
      { dtype: 'I32', shape: [4], data },
      /needs a Int32Array \(got Float32Array\)/,
    ],
    [
      'the name of the metadata',
      '__metadata__',
      { dtype: 'F32', shape: [4], data },
      /must not have the name/,
    ],
    ['half a surrogate pair', '\ud800', { dtype: 'F32', shape: [4], data }, /Unicode/],
  ])('refuses %s', (_, name, tensor, message) => {
    expect(() => encodeSafetensors(new Map([[name, tensor as StoredTensor]]))).toThrow(message);
  });
});

describe('decodeSafetensors', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['an empty file', new Uint8Array(), /only 0 bytes/],
    ['a header that is truncated', fileOf('{}').subarray(0, 9), /header of 2 bytes is truncated/],
    ['a huge header', Buffer.from('ffffffffffffff7f', 'hex'), /too large/],
    ['a header that is no JSON', fileOf('{"x"'), /not JSON/],
    ['a header that is no object', fileOf('[]'), /begin with {/],
    ['a header after a space', fileOf(' {}'), /begin with {/],
    ['a header that is not UTF-8', Buffer.from('02000000000000007bff', 'hex'), /not UTF-8/],
    ['bytes after the last tensor', fileOf({ x: f32([1], 0, 4) }, 8), /4 bytes follow/],
    ['data that are truncated', fileOf({ x: f32([2], 0, 8) }, 4), /truncated: 4 of 8/],
    ['a gap', fileOf({ x: f32([1], 0, 4), y: f32([1], 8, 12) }, 12), /gap of 4 bytes before tensor y/],
    ['a gap at the start', fileOf({ x: f32([1], 4, 8) }, 8), /gap of 4 bytes before tensor x/],
    ['an overlap', fileOf({ x: f32([2], 0, 8), y: f32([1], 4, 8) }, 8), /tensor y overlaps/],
    ['two tensors in one place', fileOf({ x: f32([1], 0, 4), y: f32([1], 0, 4) }, 4), /overlaps/],
    ['offsets beyond the shape', fileOf({ x: f32([1], 0, 8) }, 8), /needs 4 bytes, data_offsets give 8/],
    ['offsets that run backwards', fileOf({ x: f32([1], 4, 0) }, 4), /invalid data_offsets/],
    ['one offset', fileOf({ x: { dtype: 'F32', shape: [1], data_offsets: [0] } }, 4), /invalid data_offsets/],
    ['a fractional dimension', fileOf({ x: f32([0.5], 0, 2) }, 2), /invalid shape/],
    ['a shape that overflows', fileOf({ x: f32([2 ** 40, 2 ** 40], 0, 4) }, 4), /too large/],
    ['no shape', fileOf({ x: { dtype: 'F32', data_offsets: [0, 4] } }, 4), /no shape/],
    ['an unknown dtype', fileOf({ x: { ...f32([1], 0, 4), dtype: 'F16' } }, 4), /dtype "F16" is not one of/],
    [
      'a dtype off the prototype',
      fileOf({ x: { ...f32([1], 0, 4), dtype: 'toString' } }, 4),
      /is not one of/,
    ],
    ['a tensor that is null', fileOf({ x: null }), /is not an object/],
    ['metadata that are not text', fileOf({ __metadata__: { a: 1 } }), /__metadata__\.a is not a string/],
    ['metadata that are no object', fileOf({ __metadata__: [] }), /not an object/],
    [
      'a name twice',
      fileOf(
        '{"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"\\u0078" :{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}',
      ),
      /"x" is duplicated/,
    ],
    [
      'a key twice',
      fileOf('{"x":{"dtype":"F32","shape":[9],"shape":[0],"data_offsets":[0,0]}}'),
      /"shape" is duplicated/,
    ],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes)).toThrow(message);
  });

  it('takes a name that looks like JSON for a name', () => {
    const name = '{"shape":[{"a":1}],"shape":2}\\';
    expect([
      ...decodeSafetensors(fileOf({ [name]: f32([1], 0, 4), other: f32([0], 4, 4) }, 4)).tensors.keys(),
    ]).toEqual([name, 'other']);
  });

  it('never does anything but decode or throw an Error of its own on a damaged file', () => {
    const good = encodeSafetensors(
      new Map<string, StoredTensor>([
        ['w', { dtype: 'F32', shape: [2, 3], data: new Float32Array(6) }],
        ['n', { dtype: 'I32', shape: [1], data: new Int32Array(1) }],
      ]),
      { made: 'here' },
    );
    fc.assert(
      fc.property(
        fc.nat({ max: good.length - 1 }),
        fc.nat({ max: 255 }),
        fc.nat({ max: good.length }),
        (at, value, end) => {
          const bad = good.slice(0, end);
          if (at < end) bad[at] = value;
          try {
            decodeSafetensors(bad);
          } catch (error) {
            expect(String(error)).toMatch(/^Error: safetensors: /);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

function bytesOf({ data }: StoredTensor): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
