import { join } from 'node:path';
import { runCli } from '../../src/cli/cli';
import { loadSettings } from '../../src/config/load';
import { minimalDetector, removeFolders, writeFolder } from '../config/folder';
import { captureContext } from './capture';

afterEach(removeFolders);

const root = join(__dirname, '../..');

async function run(argv: string[], env: Record<string, string> = {}) {
  const captured = captureContext(env);
  await runCli(argv, captured.context);
  return { code: captured.exitCode(), stdout: captured.stdout(), stderr: captured.stderr() };
}

test.each(['config/demo', 'config/kafka'])('%s, which is shipped, has no problems', async (path) => {
  const { code, stdout, stderr } = await run(['config', 'check', join(root, path)]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(
    /no problems; detectors: (host|plant)\n(host|plant): the windows of window.maxKeys \([\d,]+\) devices take about \d+ MiB per partition, [\d.]+ KiB each\n$/,
  );
});

test('a configuration with two problems prints both, one a line, and exits 78', async () => {
  const folder = await writeFolder({
    'daemon.yaml': 'log: { level: loud }\n',
    'detectors/a.yaml': `${minimalDetector()}modle: {}\n`,
  });
  const { code, stdout, stderr } = await run(['config', 'check', folder]);
  expect(code).toBe(78);
  expect(stdout).toBe('');
  expect(stderr.split('\n')).toEqual([
    `${folder}/daemon.yaml: log.level: must be \`error\`, \`warn\`, \`info\` or \`debug\` (got "loud")`,
    `${folder}/detectors/a.yaml: modle: is not a known key; did you mean "model"?`,
    '',
  ]);
});

test('--json gives the problems as data, and still exits 78', async () => {
  const folder = await writeFolder({ 'detectors/a.yaml': `${minimalDetector()}modle: {}\n` });
  const { code, stdout, stderr } = await run(['config', 'check', folder, '--json']);
  expect({ code, stderr }).toEqual({ code: 78, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({
    ok: false,
    detectors: [],
    problems: [
      {
        file: `${folder}/detectors/a.yaml`,
        key: 'modle',
        message: 'is not a known key; did you mean "model"?',
      },
    ],
  });
});

test('--set is repeatable and wins over the environment', async () => {
  const { stdout } = await run(
    [
      'config',
      'print',
      join(root, 'config/demo'),
      '--json',
      '-s',
      'http.port=1',
      '--set',
      'window.length=20',
    ],
    { VAEMON_HTTP_PORT: '2', VAEMON_WINDOW_TTL: '2h' },
  );
  expect(JSON.parse(stdout)).toMatchObject({
    daemon: { http: { port: 1 } },
    detectors: [{ settings: { window: { length: 20, ttl: '2h' } } }],
  });
});

test('what is printed loads again as the same settings', async () => {
  const before = await loadSettings(join(root, 'config/kafka'), { env: {} });
  const { stdout } = await run(['config', 'print', join(root, 'config/kafka')]);
  const [daemon = '', plant = ''] = stdout.split('---\n');
  const folder = await writeFolder({ 'daemon.yaml': daemon, 'detectors/plant.yaml': plant });
  const after = await loadSettings(folder, { env: {} });
  expect(after.daemon).toEqual(before.daemon);
  expect(after.detectors[0]!.settings).toEqual(before.detectors[0]!.settings);
});

test('docs prints the page', async () => {
  const { code, stdout } = await run(['config', 'docs']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^# Configuration\n/);
});

test('a secret is not printed, only that there is one', async () => {
  const env = { VAEMON_KAFKA_REGISTRY_PASSWORD: 'hunter2' };
  for (const options of [[], ['--json']]) {
    const { stdout } = await run(['config', 'print', join(root, 'config/kafka'), ...options], env);
    expect(stdout).not.toContain('hunter2');
    expect(stdout).toContain('[hidden]');
  }
});
