/** The commands of the README that need no broker are run as they stand there. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.join(__dirname, '../..');
const readme = readFileSync(path.join(root, 'README.md'), 'utf8');

/** The commands in the blocks of a section. */
function commandsOf(section: string): string {
  const text = readme.split(/^## /m).find((part) => part.startsWith(`${section}\n`));
  if (text === undefined) throw new Error(`README.md has no section "${section}"`);
  return [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block!).join('');
}

test('five minutes with my data: init writes a detector that runs and finds events', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'vaemon-readme-'));
  try {
    for (const name of ['dist', 'data']) symlinkSync(path.join(root, name), path.join(folder, name));
    const output = execFileSync('bash', ['-ec', `(${commandsOf('Five minutes with my data')}) 2>&1`], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, VAEMON_HTTP_PORT: '0', VAEMON_STORE_PATH: path.join(folder, 'store') },
    });
    expect(output).toContain('14 channels: cpu_user');
    expect(output).toContain('host.yaml: no problems; detectors: host');
    expect(output).toContain('event opened');
    expect(output).toContain('"message":"stopped"');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 180_000);
