import { Writable } from 'node:stream';
import type { CommandContext } from '../../src/cli/context';

export interface CapturedContext {
  context: CommandContext;
  stdout(): string;
  stderr(): string;
  exitCode(): number;
}

function capture(): { stream: Writable; text(): string } {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  return { stream, text: () => chunks.join('') };
}

/** A context whose output is kept. */
export function captureContext(env: Record<string, string> = {}): CapturedContext {
  const out = capture();
  const err = capture();
  let code = 0;
  return {
    context: {
      env,
      stdout: out.stream,
      stderr: err.stream,
      setExitCode: (given) => {
        code = given;
      },
    },
    stdout: out.text,
    stderr: err.text,
    exitCode: () => code,
  };
}
