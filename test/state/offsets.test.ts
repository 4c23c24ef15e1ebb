import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createOffsetStore } from '../../src/state/offsets';
import { removeFolders, writeFolder } from '../config/folder';

afterAll(removeFolders);

async function createStore() {
  const directory = await writeFolder({});
  const file = join(directory, 'plant', 'partitions', 'prometheus-0.offset');
  return { file, store: createOffsetStore({ directory, detector: 'plant', topic: 'prometheus' }) };
}

test('an offset is stored as text that others may not read, and replaced', async () => {
  const { file, store } = await createStore();
  expect(await store.load(0)).toBeUndefined();
  await store.save(0, 1_767_225_600_001n);
  await store.save(0, 1_767_225_615_001n);
  expect(await readFile(file, 'utf8')).toBe('1767225615001\n');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await store.load(0)).toBe(1_767_225_615_001n);
  expect(await store.load(1)).toBeUndefined();
});

test.each(['', 'soon', '-1', '1767225615001\n2'])(
  'a damaged file is an error that names it: %j',
  async (text) => {
    const { file, store } = await createStore();
    await store.save(0, 1n);
    await writeFile(file, text);
    await expect(store.load(0)).rejects.toThrow(`${file} is damaged: it must hold one whole number`);
  },
);
