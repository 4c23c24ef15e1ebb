/** Evaluates a series in a separate process: training and scoring occupy one core. */
import { spawn } from 'node:child_process';
import type { SeriesOutcome } from './evaluate-series';

/** Maximum number of characters of error output that an error quotes, the last ones. */
const tailLength = 2000;

/**
 * Runs the command of a series. The process ends when its standard input closes, so it does not outlive this one.
 * @throws Error with the end of the error output if the command fails
 */
export function runSeriesProcess(
  [program, ...args]: readonly [string, ...string[]],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<SeriesOutcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, signal, stdio: ['pipe', 'pipe', 'pipe'] });
    const output: Buffer[] = [];
    let tail = '';
    child.stdin.on('error', () => undefined);
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => (tail = (tail + chunk.toString()).slice(-tailLength)));
    child.once('error', reject);
    child.once('close', (code, killedBy) => {
      if (code === 0) resolve(JSON.parse(Buffer.concat(output).toString()) as SeriesOutcome);
      else
        reject(
          new Error(tail.trim() === '' ? `ended by ${killedBy ?? `exit code ${code ?? '?'}`}` : tail.trim()),
        );
    });
  });
}
