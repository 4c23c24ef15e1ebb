/** The commands of the README, and of the pages of its path, that need neither a broker nor a cluster are run as they stand there. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';

const root = path.join(__dirname, '../..');
const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
const operate = readFileSync(path.join(root, 'docs/operate.md'), 'utf8');

/** The commands in the blocks of a section. */
function commandsOf(section: string): string {
  const text = readme.split(/^## /m).find((part) => part.startsWith(`${section}\n`));
  if (text === undefined) throw new Error(`README.md has no section "${section}"`);
  return commandsIn(text);
}

function commandsIn(text: string): string {
  return [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block!).join('');
}

test('five minutes with my data, and tuning: init writes a detector that runs, finds events, and can be operated', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'vaemon-readme-'));
  try {
    for (const name of ['dist', 'data']) symlinkSync(path.join(root, name), path.join(folder, name));
    const run = (commands: string) =>
      execFileSync('bash', ['-ec', `vaemon() { node dist/main.js "$@"; }\n(${commands}) 2>&1`], {
        cwd: folder,
        encoding: 'utf8',
        env: { ...process.env, VAEMON_HTTP_PORT: '0', VAEMON_STORE_PATH: path.join(folder, 'store') },
      });
    const output = run(commandsOf('Five minutes with my data'));
    expect(output).toContain('14 channels: cpu_user');
    expect(output).toContain('host.yaml: no problems; detectors: host');
    expect(output).toContain('event opened');
    expect(output).toContain('"message":"stopped"');

    const operated = run(commandsIn(operate));
    expect(operated).toMatch(/closed +host-1: /);
    expect(operated).toMatch(/^\S+Z +current$/m);
    expect(operated).toContain('0 wrong, 0 warnings');
    expect(operated).toContain('falseAlarmTarget: 0.005');
    expect(operated).toContain('"message":"stopped"');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 600_000);

test('the commands of docs/init.md: files and pictures become configurations that pass the check', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'vaemon-init-'));
  try {
    for (const name of ['dist', 'scripts', 'node_modules', 'backbone'])
      symlinkSync(path.join(root, name), path.join(folder, name));
    const recording = gunzipSync(readFileSync(path.join(root, 'data/host/host.csv.gz'))).toString();
    writeFileSync(path.join(folder, 'records.csv'), recording.split('\n').slice(0, 4000).join('\n'));
    const run = (commands: string) =>
      execFileSync('bash', ['-ec', `vaemon() { node dist/main.js "$@"; }\n(${commands}) 2>&1`], {
        cwd: folder,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
      });
    run('node scripts/images-picture.mjs pictures');
    const output = run(commandsIn(readFileSync(path.join(root, 'docs/init.md'), 'utf8')));
    for (const file of ['records.yaml', 'plant.yaml', 'good.yaml'])
      expect(output).toContain(`Wrote ${file}.`);
    expect(output).toContain('"written": "copy.yaml"');
    for (const file of ['records.yaml', 'plant.yaml', 'copy.yaml', 'good.yaml'])
      expect(run(`vaemon config check ${file}`)).toContain('no problems');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 600_000);
