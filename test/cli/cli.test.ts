import { Writable } from 'node:stream';
import { runCli } from '../../src/cli/cli';
import { captureContext } from './capture';

test.each([[['--help']], [['help']], [['config', '--help']], [['--version']]])(
  '%j answers on stdout and exits 0',
  async (argv) => {
    const captured = captureContext();
    await runCli(argv, captured.context);
    expect(captured.exitCode()).toBe(0);
    expect(captured.stdout()).not.toBe('');
    expect(captured.stderr()).toBe('');
  },
);

test.each([
  [['confg'], 'Did you mean config?'],
  [['config', 'check'], "missing required argument 'path'"],
  [['config', 'check', 'x', '--jsno'], 'Did you mean --json?'],
  [['config', 'check', 'x', '--set', 'window.length'], 'Expected key=value.'],
  [
    ['config', 'check', 'x', '-s', 'http.port=1', '-s', 'http.port=2'],
    'It gives "http.port" a second value.',
  ],
  [
    ['replay', 'x', '--from', '2026-03-01 12:00'],
    'Expected a time. It has no zone, so it would be another time on another machine, got "2026-03-01 12:00"; add Z, or an offset such as +01:00.',
  ],
  [['evaluate', 'x', '--out', 'a', '--out', 'b'], "option '--out <file>' is given twice"],
  [[], 'Usage: vaemon'],
])('%j is wrong usage: a hint on stderr, exit 64', async (argv, hint) => {
  const captured = captureContext();
  await runCli(argv, captured.context);
  expect(captured.exitCode()).toBe(64);
  expect(captured.stdout()).toBe('');
  expect(captured.stderr()).toContain(hint);
});

test('any other error is printed with what caused it, exit 1', async () => {
  const captured = captureContext();
  const stdout = new Writable();
  stdout.write = () => {
    throw new Error('cannot print', { cause: new Error('no space left') });
  };
  await runCli(['config', 'docs'], { ...captured.context, stdout });
  expect(captured.exitCode()).toBe(1);
  expect(captured.stderr()).toBe('vaemon: cannot print ← no space left\n');
});
