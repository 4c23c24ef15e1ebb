import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sampleFile } from '../../../src/offline/init/sample-file';

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'vaemon-sample-'))));
afterEach(() => rm(folder, { recursive: true }));

test('the error for a .gz file that is not gzip names the file', async () => {
  const path = join(folder, 'a.csv.gz');
  await writeFile(path, 'a,b\n1,2\n');
  await expect(sampleFile(path, 10)).rejects.toThrow(
    `cannot read ${path}: the file is not gzip, although its name ends in .gz`,
  );
});
