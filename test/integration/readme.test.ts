/** The commands of the README, and of the last page of its path, that need no broker are run as they stand there. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

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
