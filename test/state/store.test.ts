import { createHash } from 'node:crypto';
import nodeFs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { FileSystem } from '../../src/system/file-system';
import { incomingName, temporaryMaxAgeMs } from '../../src/system/temporary-names';
import { createStateStore, type StoredState } from '../../src/state/store';
import { encodeSafetensors, type StoredTensor } from '../../src/tensor/safetensors';
import { codePoint } from '../code-point';

let directory: string;
beforeEach(async () => (directory = await nodeFs.mkdtemp(join(tmpdir(), 'vaemon-state-'))));
afterEach(() => nodeFs.rm(directory, { recursive: true, force: true }));

const fileOf = (name: string) => join(directory, 'pump', 'partitions', name);
const open = (fs: FileSystem = nodeFs) => createStateStore({ directory, detector: 'pump', fs });
const state: StoredState = {
  offset: 9007199254740993n,
  content: { keys: ['pump-3', 'größer'], clock: -Infinity, nested: [{ value: NaN, number: 3 }] },
  columns: {
    values: Float64Array.from([0.1, -2e-300, NaN, -0, Infinity]),
    counts: Int32Array.from([1, -2, 3]),
    pixels: Uint8Array.from([0, 255, 7]),
    none: new Float64Array(0),
  },
};

test('loads nothing before the first save', async () => {
  expect(await open().load('sensors', 0)).toBeUndefined();
});

test('returns the state that was saved last for a topic and partition, to the last bit', async () => {
  await open().save('sensors', 0, { ...state, content: 'older' });
  await open().save('sensors', 0, state);
  await open().save('sensors-0', 1, { offset: -1n, content: null, columns: {} });
  expect(await open().load('sensors', 0)).toEqual(state);
  expect(Object.is((await open().load('sensors', 0))!.columns['values']![3], -0)).toBe(true);
  expect(await open().load('sensors-0', 1)).toEqual({ offset: -1n, content: null, columns: {} });
  expect(await open().load('sensors', 1)).toBeUndefined();
  expect((await nodeFs.readdir(fileOf('.'))).sort()).toEqual(['sensors-0-1.state', 'sensors-0.state']);
});

test('tells states apart by their checksums, without reading them', async () => {
  const store = open();
  expect(await store.checksum('sensors', 0)).toBeUndefined();
  const first = await store.save('sensors', 0, state);
  expect(await open().checksum('sensors', 0)).toBe(first);
  const second = await store.save('sensors', 0, { ...state, offset: 5n });
  expect(second).not.toBe(first);
  expect(await open().checksum('sensors', 0)).toBe(second);
});

test('keeps columns of any length and content of any kind', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.double(), { maxLength: 20 }),
      fc.uint8Array({ maxLength: 20 }),
      fc.jsonValue({ stringUnit: codePoint }),
      async (numbers, bytes, content) => {
        const columns = { bytes, numbers: Float64Array.from(numbers), again: bytes };
        // JSON has no −0.
        const plain: unknown = JSON.parse(JSON.stringify(content));
        await open().save('t', 0, { offset: 0n, content: plain, columns });
        expect(await open().load('t', 0)).toEqual({ offset: 0n, content: plain, columns });
      },
    ),
    { numRuns: 30 },
  );
});

test('detects every altered byte and every missing byte', async () => {
  await open().save('sensors', 0, state);
  const bytes = await nodeFs.readFile(fileOf('sensors-0.state'));
  for (let at = 0; at < bytes.length; at++) {
    const altered = Buffer.from(bytes);
    altered[at]! ^= 0x40;
    await nodeFs.writeFile(fileOf('sensors-0.state'), altered);
    await expect(open().load('sensors', 0)).rejects.toThrow(fileOf('sensors-0.state'));
    await nodeFs.writeFile(fileOf('sensors-0.state'), bytes.subarray(0, at));
    await expect(open().load('sensors', 0)).rejects.toThrow(fileOf('sensors-0.state'));
  }
});

/** A state file with these tensors and metadata, and the checksum that belongs to them. */
function sealed(tensors: [string, StoredTensor][], metadata: Record<string, string>): Uint8Array {
  const bytes = encodeSafetensors(new Map(tensors), { sha256: '0'.repeat(64), ...metadata });
  const [from, to] = [35, 35 + 64];
  const sum = createHash('sha256').update(bytes.subarray(0, from)).update(bytes.subarray(to)).digest('hex');
  bytes.set(Buffer.from(sum), from);
  return bytes;
}
const text = (content: string): [string, StoredTensor] => [
  'content.json',
  { dtype: 'U8', shape: [content.length], data: Buffer.from(content) },
];
const metadata = { schema: '2', offset: '7' };

test('reads a file by the description of its layout', async () => {
  await open().save('sensors', 0, state);
  await nodeFs.writeFile(fileOf('sensors-0.state'), sealed([text('[1,{"number":"-Infinity"}]')], metadata));
  expect(await open().load('sensors', 0)).toEqual({ offset: 7n, content: [1, -Infinity], columns: {} });
});

test.each<[string, Uint8Array, RegExp]>([
  ['a file of 0.1.0', Buffer.from('vaemonP\n and more'), /is not a partition state, or has an older layout/],
  ['another schema', sealed([], { schema: '3' }), /has the schema 3; this version of vaemon reads 2/],
  ['no offset', sealed([text('1')], { schema: '2' }), /has no valid offset \(got ""\)/],
  ['a fraction as offset', sealed([text('1')], { ...metadata, offset: '1.5' }), /has no valid offset/],
  ['no content', sealed([], metadata), /has no content.json/],
  ['content that is not JSON', sealed([text('{"a"')], metadata), /JSON/],
  ['bytes after the last tensor', extended(sealed([text('1')], metadata)), /its checksum does not match/],
])('refuses a file with %s', async (_, bytes, message) => {
  await open().save('sensors', 0, state);
  await nodeFs.writeFile(fileOf('sensors-0.state'), bytes);
  await expect(open().load('sensors', 0)).rejects.toThrow(message);
  await expect(open().load('sensors', 0)).rejects.toThrow(fileOf('sensors-0.state'));
});

function extended(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([bytes, Buffer.of(0)]);
}

test('a full disk leaves the old state and no temporary file', async () => {
  await open().save('sensors', 0, state);
  const full: FileSystem = {
    ...nodeFs,
    open: async (path, ...rest) => {
      const handle = await nodeFs.open(path, ...rest);
      if (rest[0] === 'w')
        handle.writeFile = () => Promise.reject(new Error('ENOSPC: no space left on device'));
      return handle;
    },
  };
  await expect(open(full).save('sensors', 0, { ...state, offset: 1n })).rejects.toThrow('ENOSPC');
  expect(await open().load('sensors', 0)).toEqual(state);
  expect(await nodeFs.readdir(fileOf('.'))).toEqual(['sensors-0.state']);
});

test('the next process removes the temporary file of a killed one', async () => {
  await open().save('sensors', 0, state);
  const leftover = fileOf(incomingName('state'));
  await nodeFs.writeFile(leftover, '{');
  const long = (Date.now() - 2 * temporaryMaxAgeMs) / 1000;
  await nodeFs.utimes(leftover, long, long);
  await open().save('sensors', 1, state);
  expect((await nodeFs.readdir(fileOf('.'))).sort()).toEqual(['sensors-0.state', 'sensors-1.state']);
});

test.each(['../pump', 'a/b', ''])('refuses %j as a topic name', async (topic) => {
  await expect(open().save(topic, 0, state)).rejects.toThrow('not a valid topic name');
  await expect(open().load(topic, 0)).rejects.toThrow('not a valid topic name');
});
