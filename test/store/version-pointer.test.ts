import nodeFs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LeaseError } from '../../src/errors';
import { createVersionPointer } from '../../src/store/version-pointer';

const [first, second] = ['20260131T030000.123Z', '20260131T040000.123Z'] as const;

let root: string;
beforeEach(async () => (root = await nodeFs.mkdtemp(join(tmpdir(), 'vaemon-pointer-'))));
afterEach(() => nodeFs.rm(root, { recursive: true, force: true }));

const open = (lease: () => string | undefined = () => undefined) =>
  createVersionPointer({ root, lease, fs: nodeFs });

test('names the version to which it was moved last, for every reader', async () => {
  expect(await open().current()).toBeUndefined();
  await open().move(first);
  await open().move(second);
  expect(await open().current()).toBe(second);
});

test('a pinned version is the current one, and stays pinned until that ends', async () => {
  const pointer = open();
  expect(await pointer.pinned()).toBeUndefined();
  await pointer.pin(first);
  expect([await pointer.current(), await pointer.pinned()]).toEqual([first, first]);
  await pointer.unpin();
  expect([await pointer.current(), await pointer.pinned()]).toEqual([first, undefined]);
});

test('does not move for a process whose lease another one has taken', async () => {
  const lease = join(root, 'lease');
  await nodeFs.mkdir(lease);
  await open(() => lease).move(first);
  await nodeFs.rm(lease, { recursive: true });
  await expect(open(() => lease).move(second)).rejects.toThrow(LeaseError);
  expect(await open().current()).toBe(first);
});

test.each([
  ['contains no version name ("../elsewhere")', '../elsewhere\n'],
  ['cannot read', 'x'.repeat(257)],
])('an error states that the file %s', async (message, content) => {
  await nodeFs.writeFile(join(root, 'current'), content);
  await expect(open().current()).rejects.toThrow(message);
});
