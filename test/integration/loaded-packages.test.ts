/** Commands that compute nothing start without the packages that compute. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { removeFolders, writeFolder } from '../config/folder';

const root = join(__dirname, '../..');

afterAll(removeFolders);

/** The packages that a command has loaded when it ends. */
async function packagesOf(...args: string[]): Promise<string[]> {
  const folder = await writeFolder({
    'report.js': `process.on('exit', () => {
      const names = Object.keys(require.cache).map((file) => /.*node_modules\\/((@[^/]+\\/)?[^/]+)/.exec(file)?.[1]);
      process.stderr.write(JSON.stringify([...new Set(names.filter((name) => name !== undefined))]));
    });`,
  });
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--require', join(folder, 'report.js'), 'dist/main.js', ...args],
    { cwd: root, encoding: 'utf8' },
  );
  expect([status, stderr]).toEqual([0, expect.stringMatching(/^\[.*\]$/)]);
  return JSON.parse(stderr) as string[];
}

const heavy = /^(@tensorflow\/.*|onnxruntime-node|kafkajs|sharp|ajv)$/;

test.each([
  ['config', 'check', 'config/demo'],
  ['config', 'check', 'config/kafka'],
  ['config', 'print', 'config/digits'],
  ['config', 'docs'],
])('vaemon %s %s %s loads no tensor library and no Kafka client', async (...args) => {
  const packages = await packagesOf(...args);
  expect(packages).toContain('convict');
  expect(packages.filter((name) => heavy.test(name))).toEqual([]);
});

test('the report names a tensor library where one is loaded', async () => {
  expect(await packagesOf('doctor')).toContain('@tensorflow/tfjs-core');
});
