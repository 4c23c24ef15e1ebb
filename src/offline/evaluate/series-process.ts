/** Series evaluated in processes of their own, several at once: training and scoring keep a core busy each. */
import { spawn } from 'node:child_process';
import type { RecordScores } from './evaluator';

/** What the process of one series prints: one JSON object. */
export interface SeriesOutcome extends Omit<RecordScores, 'scores' | 'flags'> {
  series: string;
  scores: readonly number[];
  flags: readonly number[];
  channels: readonly string[];
  /** Columns that hold no numbers and are no conditions. */
  ignoredColumns: readonly string[];
  engine: string;
  /** Wall clock of training and scoring. */
  seconds: number;
}

/** Last characters of the error output that go into an error. */
const tailLength = 2000;

/**
 * Runs the command of one series; it ends when its standard input does, so it does not outlive this process.
 * Rejects with what it wrote to its error output when it fails.
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
