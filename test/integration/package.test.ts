/** The tarball of `npm pack`, installed into an empty folder. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

jest.setTimeout(600_000);

const root = path.join(__dirname, '../..');
const megabyte = 1e6;

let folder: string;
let tarball: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'vaemon-package-'));
  const { stdout } = await run('npm', ['pack', '--silent', `--pack-destination=${folder}`], root);
  tarball = stdout.trim().split('\n').at(-1)!;
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Without the variables that npm sets for what it runs, and without those of vaemon. */
function run(file: string, args: readonly string[], cwd: string) {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm|VAEMON)_/.test(name)),
  );
  return promisify(execFile)(file, args, {
    cwd,
    env: { ...env, ONNXRUNTIME_NODE_INSTALL: 'skip', npm_config_prefer_offline: 'true' },
    maxBuffer: 64 * megabyte,
  });
}

test('is smaller than 5 MB, without sources and tests', async () => {
  expect((await stat(path.join(folder, tarball))).size).toBeLessThan(5 * megabyte);
  const { stdout } = await run('tar', ['--list', '--file', tarball], folder);
  const files = stdout.trim().split('\n');
  expect(files).toEqual(
    expect.arrayContaining([
      'package/LICENSE',
      'package/README.md',
      'package/dist/main.js',
      'package/dist/vaemon.1',
    ]),
  );
  expect(files.filter((file) => /^package\/(src|test|bench|scripts)\/|\.map$/.test(file))).toEqual([]);
});

test('npx runs the demo in an empty folder: it trains, finds faults, and ends', async () => {
  const { stdout } = await run(
    'npx',
    // The shortest proof: one training of few epochs, and a replay at full speed.
    ['--yes', `./${tarball}`, 'demo', '--once', ...sets({ 'training.epochs': 5, 'source.file.rate': 0 })],
    folder,
  );
  const [, found] = /faults found +(\d+) of 19/.exec(stdout)!;
  expect(Number(found)).toBeGreaterThan(5);
});

function sets(settings: Readonly<Record<string, string | number>>): string[] {
  return Object.entries({ 'http.port': 0, 'training.schedule': '', ...settings }).map(
    ([key, value]) => `--set=${key}=${value}`,
  );
}
