/**
 * Training in a process of its own, at a lower priority: it would block the heartbeats of the daemon, and an
 * out-of-memory there must not end the scoring.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import os from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { TrainingError } from '../errors';
import { readLines } from '../system/lines';
import type { LifecycleLog } from './log';
import { parseTrainingMessage, type TrainingProgress } from './training-message';

export interface TrainingProcessOptions {
  /** The program and its arguments. It speaks training-message.ts on its standard output. */
  command: readonly [string, ...string[]];
  env: NodeJS.ProcessEnv;
  /** Of the operating system: 0 = normal, 19 = lowest; at least that of the daemon. */
  priority?: number;
  onProgress: (progress: TrainingProgress) => void;
  /** Takes what the process writes beside its messages, at debug and bounded. */
  log: LifecycleLog;
  /** Ends the process. */
  signal: AbortSignal;
  /** How long it may take to end by itself after SIGTERM, before SIGKILL. */
  graceMs?: number;
}

type TrainingProcess = ChildProcessByStdio<Writable, Readable, Readable>;

const maxLineLength = 16_384;
/** Lines of output that go to the log; the rest is counted. */
const maxLoggedLines = 500;
/** Last lines of the error output that go into an error. */
const tailLines = 20;
/** How long output may stay open after the end of the process, in ms: a grandchild may hold it. */
const closeWaitMs = 1000;

/**
 * Runs one training to its end; resolves to the version that it published. Rejects with a TrainingError in every
 * other case, and not before the process is gone.
 */
export async function runTrainingProcess({
  command,
  env,
  priority = 10,
  onProgress,
  log,
  signal,
  graceMs = 10_000,
}: TrainingProcessOptions): Promise<{ version: string }> {
  if (signal.aborted) throw stopped(signal);
  const child = await start(command, env);
  child.stdin.on('error', (err) => {
    log.debug('training process closed its input', { err });
  });
  const output = readOutput(child, onProgress, log);
  const abort = endOnAbort(child, signal, graceMs);
  lowerPriority(child, priority, log);
  const { code, killedBy } = await ended(child);
  abort.release();
  output.finish();
  if (code === 0 && output.published !== undefined) return { version: output.published };
  throw abort.came() ? stopped(signal) : failure(code, killedBy, output);
}

/**
 * For the training process: ends it when the daemon that started it is gone, however that came about. Reads standard
 * input, so it is not for a process that a person starts.
 */
export function exitWhenParentIsGone(
  exit: () => void = () => {
    process.kill(process.pid, 'SIGTERM');
  },
): void {
  process.stdin.once('end', exit);
  process.stdin.once('error', exit);
  process.stdin.resume();
  // A training that is done ends although its daemon lives on.
  process.stdin.unref();
}

function start(
  [program, ...args]: readonly [string, ...string[]],
  env: NodeJS.ProcessEnv,
): Promise<TrainingProcess> {
  return new Promise((resolve, reject) => {
    const refuse = (cause: unknown) => {
      reject(new TrainingError('failed', `could not start the training process ${program}`, { cause }));
    };
    try {
      // The child reads its input only to learn that we are gone: see exitWhenParentIsGone.
      const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
      // Stays for the life of the child: an error that no one listens to would end the daemon.
      child.on('error', refuse);
      child.once('spawn', () => {
        resolve(child);
      });
    } catch (cause) {
      refuse(cause);
    }
  });
}

interface Output {
  published: string | undefined;
  failed: { reason: TrainingError['reason']; message: string } | undefined;
  /** Last lines of the error output. */
  tail: string[];
  finish(): void;
}

function readOutput(
  child: TrainingProcess,
  onProgress: TrainingProcessOptions['onProgress'],
  log: LifecycleLog,
): Output {
  let lines = 0;
  const pass = (stream: 'stdout' | 'stderr', line: string) => {
    lines++;
    if (lines <= maxLoggedLines) log.debug('training process wrote', { stream, line });
  };
  const output: Output = {
    published: undefined,
    failed: undefined,
    tail: [],
    finish() {
      if (lines > maxLoggedLines) log.debug('training process wrote more', { lines: lines - maxLoggedLines });
    },
  };
  readLines(child.stderr, maxLineLength, (line) => {
    output.tail.push(line);
    if (output.tail.length > tailLines) output.tail.shift();
    pass('stderr', line);
  });
  readLines(child.stdout, maxLineLength, (line) => {
    const message = parseTrainingMessage(line);
    if (message === undefined) pass('stdout', line);
    else if (message.type === 'published') output.published = message.version;
    else if (message.type === 'failed') output.failed = message;
    else onProgress(message);
  });
  return output;
}

/** SIGTERM when the signal comes, SIGKILL when that does not help. */
function endOnAbort(child: TrainingProcess, signal: AbortSignal, graceMs: number) {
  let timer: NodeJS.Timeout | undefined;
  const abort = () => {
    child.kill('SIGTERM');
    timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
  };
  signal.addEventListener('abort', abort, { once: true });
  // It may have come while the process was being started.
  if (signal.aborted) abort();
  return {
    came: () => signal.aborted,
    release() {
      signal.removeEventListener('abort', abort);
      clearTimeout(timer);
    },
  };
}

function lowerPriority(child: TrainingProcess, priority: number, log: LifecycleLog): void {
  try {
    // Never above our own: as root that would be allowed.
    if (child.pid !== undefined) os.setPriority(child.pid, Math.max(priority, os.getPriority()));
  } catch (err) {
    // It may be over already; if not, it trains at our own priority.
    log.debug('could not lower the priority of the training process', { err, priority });
  }
}

/** Resolves when the process is gone and all that it wrote has been read. */
function ended(child: TrainingProcess): Promise<{ code: number | null; killedBy: NodeJS.Signals | null }> {
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    child.once('exit', () => {
      timer = setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, closeWaitMs);
    });
    child.once('close', (code, killedBy) => {
      clearTimeout(timer);
      resolve({ code, killedBy });
    });
  });
}

function failure(code: number | null, killedBy: NodeJS.Signals | null, output: Output): TrainingError {
  const options = output.tail.length > 0 ? { cause: new Error(output.tail.join('\n')) } : {};
  if (output.failed !== undefined)
    return new TrainingError(output.failed.reason, output.failed.message, options);
  // A shell in between reports the signal n that ended its child as 128 + n.
  if (killedBy !== null || (code !== null && code > 128)) {
    const what = killedBy ?? `exit code ${String(code)}`;
    return new TrainingError('killed', `training was killed (${what})${adviceOn(killedBy ?? code)}`, options);
  }
  if (code === 0) return new TrainingError('failed', 'training ended without publishing a version', options);
  return new TrainingError('failed', `training ended with exit code ${String(code)}`, options);
}

/** Node ends itself with SIGABRT, SIGTRAP or SIGILL when its heap is full, and Linux kills with SIGKILL. */
function adviceOn(end: NodeJS.Signals | number | null): string {
  const outOfMemory = ['SIGABRT', 'SIGTRAP', 'SIGILL', 'SIGKILL', 132, 133, 134, 137];
  return end !== null && outOfMemory.includes(end)
    ? '; if memory ran out, lower training.maxRecords or give it more'
    : '';
}

function stopped(signal: AbortSignal): TrainingError {
  return new TrainingError('killed', 'training was stopped before it was done', { cause: signal.reason });
}
