import { createHash } from 'node:crypto';
import nodeFs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { FileSystem } from '../../src/system/file-system';
import { incomingName, temporaryMaxAgeMs } from '../../src/system/temporary-names';
import { createStateStore, type StoredState } from '../../src/state/store';

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

test('what was never saved is not there', async () => {
  expect(await open().load('sensors', 0)).toBeUndefined();
});

test('gives back what was saved last, by topic and partition, to the last bit', async () => {
  await open().save('sensors', 0, { ...state, content: 'older' });
  await open().save('sensors', 0, state);
  await open().save('sensors-0', 1, { offset: -1n, content: null, columns: {} });
  expect(await open().load('sensors', 0)).toEqual(state);
  expect(Object.is((await open().load('sensors', 0))!.columns['values']![3], -0)).toBe(true);
  expect(await open().load('sensors-0', 1)).toEqual({ offset: -1n, content: null, columns: {} });
  expect(await open().load('sensors', 1)).toBeUndefined();
  expect((await nodeFs.readdir(fileOf('.'))).sort()).toEqual(['sensors-0-1.state', 'sensors-0.state']);
});

test('keeps columns of any length and content of any kind', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.double(), { maxLength: 20 }),
      fc.uint8Array({ maxLength: 20 }),
      fc.jsonValue({ noUnicodeString: false }),
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

test('every byte that is another, and every byte that is missing, is found', async () => {
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

test.each([
  ['{"schema":3}', /has the schema 3; this vaemon reads 2/],
  ['{"schema":2,"columns":[]}', /has no offset \(got undefined\)/],
  ['{"schema":2,"offset":"1","columns":[{"name":"a","kind":"f16","length":1}]}', /columns that are none/],
  ['{"schema":2,"offset":"1","columns":[{"name":"a","kind":"f64","length":-1}]}', /columns that are none/],
  ['{"schema"', /its header is not JSON/],
  ['{"schema":2,"offset":"1","columns":[{"name":"a","kind":"f64","length":9}]}', /a column is cut off/],
])('refuses a header that says %s', async (header, message) => {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const body = Buffer.concat([length, Buffer.from(header)]);
  const checksum = createHash('sha256').update(body).digest();
  await open().save('sensors', 0, state);
  await nodeFs.writeFile(
    fileOf('sensors-0.state'),
    Buffer.concat([Buffer.from('vaemonP\n'), checksum, body]),
  );
  await expect(open().load('sensors', 0)).rejects.toThrow(message);
  await expect(open().load('sensors', 0)).rejects.toThrow(fileOf('sensors-0.state'));
});

test('a full disk leaves what was there, and nothing beside it', async () => {
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

test('what a killed process left is removed by the next one', async () => {
  await open().save('sensors', 0, state);
  const leftover = fileOf(incomingName('state'));
  await nodeFs.writeFile(leftover, '{');
  const long = (Date.now() - 2 * temporaryMaxAgeMs) / 1000;
  await nodeFs.utimes(leftover, long, long);
  await open().save('sensors', 1, state);
  expect((await nodeFs.readdir(fileOf('.'))).sort()).toEqual(['sensors-0.state', 'sensors-1.state']);
});

test.each(['../pump', 'a/b', ''])('refuses %j as the name of a topic', async (topic) => {
  await expect(open().save(topic, 0, state)).rejects.toThrow('not a name for one');
  await expect(open().load(topic, 0)).rejects.toThrow('not a name for one');
});
