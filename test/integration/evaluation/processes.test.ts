/** `vaemon evaluate` on several series: one process each, from what `npm run build` has made. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const root = join(__dirname, '../../..');
const run = promisify(execFile);
const program = join(root, 'dist/main.js');
const detector = join(root, 'config/evaluate/sensor.yaml');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vaemon-evaluate-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function writeSeries(name: string, phase: number): Promise<void> {
  const rows = (count: number, from: number, fault: (i: number) => number): string =>
    `a,b\n${Array.from({ length: count }, (_, i) => {
      const a = Math.sin((from + i) / 5 + phase) + 0.2 * Math.sin((from + i) ** 2);
      return `${a.toFixed(4)},${(-a + fault(i)).toFixed(4)}\n`;
    }).join('')}`;
  const fault = (i: number): number => (i >= 60 && i < 80 ? 9 : 0);
  await writeFile(
    join(folder, `${name}.train.csv`),
    rows(500, 0, () => 0),
  );
  await writeFile(join(folder, `${name}.test.csv`), rows(120, 500, fault));
  const labels = Array.from({ length: 120 }, (_, i) => `${i},${fault(i) > 0 ? 1 : 0}\n`).join('');
  await writeFile(join(folder, `${name}.label.csv`), `index,label\n${labels}`);
}

function evaluate(...more: string[]): Promise<{ stdout: string; stderr: string }> {
  const files = ['--train', folder, '--test', folder, '--labels', folder];
  return run(process.execPath, [program, 'evaluate', detector, ...files, '--jobs', '2', ...more]);
}

test('two series: a score for every record of both, in order, and metrics of each', async () => {
  await writeSeries('one', 0);
  await writeSeries('two', 1);
  const out = join(folder, 'scores.csv');
  const { stdout } = await evaluate('--out', out, '--json');
  const result = JSON.parse(stdout) as {
    judgement: { series: Record<string, { rocAuc: number; records: number }> };
    details: { series: string; engine: string; windowNotFull: number }[];
  };
  expect(Object.keys(result.judgement.series)).toEqual(['one', 'two']);
  expect(result.judgement.series['two']!.rocAuc).toBeGreaterThan(0.9);
  expect(result.details.map(({ series, windowNotFull }) => [series, windowNotFull])).toEqual([
    ['one', 0],
    ['two', 0],
  ]);
  const rows = (await readFile(out, 'utf8')).trim().split('\n').slice(1);
  expect(rows.map((row) => row.split(',').slice(0, 2).join())).toEqual(
    ['one', 'two'].flatMap((name) => Array.from({ length: 120 }, (_, i) => `${name},${i}`)),
  );
}, 120_000);

test('one training file is trained once for both tests', async () => {
  await writeSeries('one', 0);
  await writeSeries('two', 0);
  const files = ['--train', join(folder, 'one.train.csv'), '--test', folder, '--labels', folder];
  const { stdout } = await run(process.execPath, [program, 'evaluate', detector, ...files, '--json']);
  const { details } = JSON.parse(stdout) as {
    details: { series: string; trainingSeconds: number; training: object }[];
  };
  expect(details.map(({ series }) => series)).toEqual(['one', 'two']);
  expect(details[1]!.trainingSeconds).toBe(details[0]!.trainingSeconds);
  expect(details[1]!.training).toEqual(details[0]!.training);
}, 120_000);

test('a series that fails ends the command, and is named', async () => {
  await writeSeries('one', 0);
  await writeFile(join(folder, 'two.train.csv'), 'a,b\n1,2\n');
  await expect(evaluate()).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/series "two" could not be evaluated ← .*complete windows/s) as string,
  });
}, 120_000);
