/** Completion by the shells themselves, and the manual page by what formats it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runCli } from '../../src/cli/cli';
import { captureContext } from './capture';

async function output(...argv: string[]): Promise<string> {
  const captured = captureContext();
  await runCli(argv, captured.context);
  expect([captured.exitCode(), captured.stderr()]).toEqual([0, '']);
  return captured.stdout();
}

const isInstalled = (program: string): boolean => spawnSync(program, ['--version']).error === undefined;

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'vaemon-completion-'));
  writeFileSync(path.join(folder, 'pumps.yaml'), '');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(program: string, args: readonly string[], input = ''): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', cwd: folder, input });
  expect([program, status, stderr]).toEqual([program, 0, '']);
  return stdout;
}

/** What each shell proposes for a line, whose last word is to be completed. */
const proposals: Record<string, (script: string, line: string) => string[]> = {
  bash(script, line) {
    const test = `${script}\nCOMP_WORDS=(${line.replace(/ $/, " ''")}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _vaemon
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    return run('bash', ['--norc', '-c', test]).split('\n').filter(Boolean);
  },
  // Without a terminal there is no completion system: what the function would hand to it is printed.
  zsh(script, line) {
    const test = `compdef() { :; }
      _describe() { print -l -- \${\${(P)2}%%:*}; }
      _files() { print -l -- *; }
      compadd() { shift; print -l -- "$@"; }
      ${script}
      words=(${line.replace(/ $/, " ''")}); CURRENT=\${#words}; _vaemon`;
    const start = line.split(' ').at(-1)!;
    return run('zsh', ['--no-rcs', '-c', test])
      .split('\n')
      .filter((word) => word !== '' && word.startsWith(start));
  },
  fish(script, line) {
    const test = `${script}\ncomplete -C ${JSON.stringify(line)}`;
    return run('fish', ['--no-config', '-c', test])
      .split('\n')
      .filter(Boolean)
      .map((one) => one.split('\t')[0]!);
  },
};

describe.each(Object.keys(proposals))('completion in %s', (shell) => {
  const cases: [line: string, words: string[]][] = [
    ['vaemon ver', ['versions']],
    ['vaemon versions un', ['unpin']],
    ['vaemon run --on', ['--once']],
    ['vaemon run pum', ['pumps.yaml']],
    ['vaemon completion ', ['bash', 'zsh', 'fish']],
    ['vaemon label pumps.yaml id new', ['new normal']],
    ['vaemon init --file ', ['pumps.yaml']],
    ['vaemon export pumps.yaml x --format ', ['safetensors', 'onnx']],
  ];
  // Counted as skipped where the shell is not installed.
  (isInstalled(shell) ? test.each(cases) : test.skip.each(cases))('%s', async (line, words) => {
    const script = await output('completion', shell);
    expect([...proposals[shell]!(script, line)].sort()).toEqual([...words].sort());
  });
});

describe('the manual page', () => {
  (isInstalled('groff') ? test : test.skip)('is free of warnings of groff', async () => {
    expect(run('groff', ['-man', '-ww', '-z'], await output('man'))).toBe('');
  });

  test('has each command and option of the help, in ASCII', async () => {
    const page = await output('man');
    expect(page).toMatch(/^[\x20-\x7e\n]*$/);
    for (const heading of ['demo', 'versions rollback', 'completion'])
      expect(page).toContain(`.SS ${heading}\n`);
    expect(page).toContain('.B \\-s, \\-\\-set <key=value>\n');
  });
});
