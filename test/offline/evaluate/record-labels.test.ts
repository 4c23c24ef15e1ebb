import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { readRecordLabels, unusedLabels } from '../../../src/offline/evaluate/record-labels';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vaemon-labels-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function read(content: string, name = 'labels.csv') {
  const path = join(folder, name);
  await writeFile(path, name.endsWith('.gz') ? gzipSync(content) : content);
  return readRecordLabels(path, 'mine');
}

test.each(['labels.csv', 'labels.csv.gz'])(
  '%s without a series is of the one that is asked for',
  async (name) => {
    const labels = await read('index,label\n0,0\n1,1\n', name);
    expect([...labels.keys()]).toEqual(['mine']);
    expect([...labels.get('mine')!]).toEqual([
      [0, 0],
      [1, 1],
    ]);
  },
);

test('with a column for the series there may be several', async () => {
  const labels = await read('series,index,label\na,0,1\nb,0,0\na,5,0\n');
  expect([...labels.keys()]).toEqual(['a', 'b']);
  expect(labels.get('a')!.get(5)).toBe(0);
});

test.each(['0,2', '-1,0', 'x,1', '0.5,1', '1,'])('%s names the file and the line', async (row) => {
  await expect(read(`index,label\n3,0\n${row}\n`)).rejects.toThrow(/labels\.csv:3: index must be/);
});

test('labels of a series that is not evaluated are found, with the series that was meant', async () => {
  const labels = await read('series,index,label\npump-1,0,0\npmp-2,0,1\npmp-2,1,1\nwheel,4,1\n');
  expect(unusedLabels(labels, ['pump-1', 'pump-2'])).toEqual([
    { series: 'pmp-2', labels: 2, nearestSeries: 'pump-2' },
    { series: 'wheel', labels: 1, nearestSeries: undefined },
  ]);
  const unnamed = await readRecordLabels(join(folder, 'labels.csv'), '');
  expect(unusedLabels(unnamed, ['pump-1', 'pmp-2', 'wheel'])).toEqual([]);
});
