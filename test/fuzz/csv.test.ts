/** Damaged CSV files: the rows are read, or an error names the file. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { defaultColumns, readFileRecords } from '../../src/sources/file/file';
import { seededUniform } from '../calibration/seeded';
import { removeFolders, writeFolder } from '../config/folder';
import { below, mutateBytes, pick } from './mutate';
import { fuzzing } from './settings';

jest.setTimeout(600_000);
afterAll(removeFolders);

const { seed } = fuzzing;

function fileOf(random: () => number): Buffer {
  const separator = pick(random, [',', ';', '\t', '|']);
  const decimal = separator === ',' ? '.' : pick(random, ['.', ',']);
  const rows = Array.from({ length: 5 + below(random, 20) }, (_, i) =>
    [
      `pump-${i % 3}`,
      new Date(1.77e12 + 1000 * i).toISOString(),
      (20 * random()).toFixed(3).replace('.', decimal),
      String(below(random, 100)),
    ].join(separator),
  );
  const header = ['key', 'timestamp', 'flow', 'pressure'].join(separator);
  const whole = Buffer.from([...(random() < 0.2 ? ['# comment'] : []), header, ...rows, ''].join('\n'));
  return random() < 0.1 ? whole : mutateBytes(random, whole);
}

test('a damaged file is read, or an error names it', async () => {
  const folder = await writeFolder({ 'in.csv': '' });
  const counts = { read: 0, refused: 0 };
  const files = Math.max(150, Math.round(fuzzing.records / 100));
  for (let index = 0; index < files; index++) {
    const random = seededUniform(Math.imul(seed, 0x9e3779b1) ^ index);
    const bytes = fileOf(random);
    const isPacked = random() < 0.2;
    const packed = isPacked ? gzipSync(bytes) : bytes;
    const path = join(folder, isPacked ? 'in.csv.gz' : 'in.csv');
    await writeFile(path, isPacked && random() < 0.3 ? mutateBytes(random, packed) : packed);
    try {
      for await (const record of readFileRecords({ path, columns: defaultColumns }, { mayLackColumns: true }))
        expect(typeof record).toBe('object');
      counts.read++;
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes(path))
        throw new Error(`file ${index} of seed ${seed} ended it:\n${bytes.toString('latin1')}`, {
          cause: error,
        });
      counts.refused++;
    }
  }
  expect(Math.min(counts.read, counts.refused)).toBeGreaterThan(files / 50);
});
