/**
 * Runs a training in a separate process at a lower priority: in the daemon it would block the heartbeats, and if it ran out of
 * memory, scoring would end.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import os from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { TrainingError } from '../errors';
import type { Logger } from '../logger';
import { readLines } from '../system/lines';
import {
  parseTrainingMessage,
  type TrainingHistory,
  type TrainingMessage,
  type TrainingProgress,
} from './training-message';

export interface TrainingProcessOptions {
  /** Program and arguments. The program writes messages of training-message.ts to its standard output. */
  command: readonly [string, ...string[]];
  env: NodeJS.ProcessEnv;
  /** Priority of the operating system: 0 = normal, 19 = lowest. It is never higher than that of the daemon. */
  priority?: number;
  onProgress: (progress: TrainingProgress) => void;
  onHistory?: (history: TrainingHistory) => void;
  /** Receives up to 500 lines of other output: warnings of the process's own log as warnings, all else at debug level. */
  log: Logger;
  /** Aborts the training. */
  signal: AbortSignal;
  /** Time between SIGTERM and SIGKILL, ms. */
  graceMs?: number;
}

type TrainingProcess = ChildProcessByStdio<Writable, Readable, Readable>;

/** With these variables, glibc returns freed memory at once: a sixth of the memory of a training (docs/performance.md). */
const givingBack = { MALLOC_TRIM_THRESHOLD_: '131072', MALLOC_MMAP_THRESHOLD_: '131072' };

const maxLineLength = 16_384;
/** Maximum number of output lines that are logged; further lines are only counted. */
const maxLoggedLines = 500;
/** Number of last lines of the error output that become the cause of an error. */
const tailLines = 20;
/** Longest wait for the end of the output after the process has ended, ms: a grandchild may keep it open. */
const closeWaitMs = 1000;

/** Runs one training; resolves to the published version. Rejects with a TrainingError after the process has ended. */
export async function runTrainingProcess({
  command,
  env,
  priority = 10,
  onProgress,
  onHistory = () => undefined,
  log,
  signal,
  graceMs = 10_000,
}: TrainingProcessOptions): Promise<string> {
  const isStopped = (): boolean => signal.aborted;
  if (isStopped()) throw stopped(signal);
  const child = await start(command, env);
  child.stdin.on('error', (err) => log.debug('training process closed its input', { err }));
  const output = readOutput(child, { onProgress, onHistory }, log);
  const stopWatching = endOnAbort(child, signal, graceMs);
  lowerPriority(child, priority, log);
  const { code, killedBy } = await ended(child);
  stopWatching();
  output.finish();
  if (code === 0 && output.published !== undefined) return output.published;
  throw isStopped() ? stopped(signal) : failure(code, killedBy, output);
}

/**
 * For the training process: ends it when its daemon has ended for any reason. It reads standard input, so it must not be used
 * in a process that a person starts.
 */
export function exitWhenParentIsGone(
  exit: () => void = () => void process.kill(process.pid, 'SIGTERM'),
): void {
  process.stdin.once('end', exit);
  process.stdin.once('error', exit);
  process.stdin.resume();
  // Standard input must not keep a finished training alive.
  process.stdin.unref();
}

function start([program, ...args]: TrainingProcessOptions['command'], env: NodeJS.ProcessEnv) {
  return new Promise<TrainingProcess>((resolve, reject) => {
    const refuse = (cause: unknown) =>
      reject(new TrainingError('failed', `could not start the training process ${program}`, { cause }));
    try {
      // The child reads its input only to notice the end of this process: see exitWhenParentIsGone.
      const child = spawn(program, args, { env: { ...givingBack, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
      // This listener is never removed: an `error` event without a listener would end the daemon.
      child.on('error', refuse);
      child.once('spawn', () => resolve(child));
    } catch (cause) {
      refuse(cause);
    }
  });
}

type Output = ReturnType<typeof readOutput>;

function readOutput(
  child: TrainingProcess,
  { onProgress, onHistory }: Required<Pick<TrainingProcessOptions, 'onProgress' | 'onHistory'>>,
  log: Logger,
) {
  let lines = 0;
  const logLine = (stream: 'stdout' | 'stderr', line: string) => {
    lines++;
    if (lines > maxLoggedLines) return;
    const warning = parseWarning(line);
    if (warning === undefined) log.debug('training process wrote', { stream, line });
    else log.warn(warning.message, warning.fields);
  };
  const output = {
    published: undefined as string | undefined,
    failed: undefined as Extract<TrainingMessage, { type: 'failed' }> | undefined,
    /** Last lines of the error output. */
    tail: [] as string[],
    finish() {
      if (lines > maxLoggedLines)
        log.debug('training process wrote more lines than are logged', { lines: lines - maxLoggedLines });
    },
  };
  readLines(child.stderr, maxLineLength, (line) => {
    output.tail.push(line);
    if (output.tail.length > tailLines) output.tail.shift();
    logLine('stderr', line);
  });
  readLines(child.stdout, maxLineLength, (line) => {
    const message = parseTrainingMessage(line);
    if (message === undefined) logLine('stdout', line);
    else if (message.type === 'published') output.published = message.version;
    else if (message.type === 'failed') output.failed = message;
    else if (message.type === 'history') onHistory(message);
    else onProgress(message);
  });
  return output;
}

/**
 * Parses a warning that the logger wrote as JSON; undefined for any other line. Time and detector are left out, as the daemon's
 * log has its own.
 */
function parseWarning(line: string): { message: string; fields: Record<string, unknown> } | undefined {
  try {
    // eslint-disable-next-line @typescript-eslint/no-unused-vars -- replaced by those of the daemon's line
    const { level, message, timestamp, component, detector, ...fields } = JSON.parse(line) as Record<
      string,
      unknown
    >;
    return level === 'warn' && typeof message === 'string' ? { message, fields } : undefined;
  } catch {
    return undefined;
  }
}

/** Sends SIGTERM on abort, and SIGKILL `graceMs` later; the returned function cancels both. */
function endOnAbort(child: TrainingProcess, signal: AbortSignal, graceMs: number) {
  let timer: NodeJS.Timeout | undefined;
  const abort = () => {
    child.kill('SIGTERM');
    timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
  };
  signal.addEventListener('abort', abort, { once: true });
  // The signal may have been aborted while the process was starting.
  if (signal.aborted) abort();
  return () => {
    signal.removeEventListener('abort', abort);
    clearTimeout(timer);
  };
}

function lowerPriority(child: TrainingProcess, priority: number, log: Logger): void {
  try {
    // Never a higher priority than that of the daemon, which root could set.
    if (child.pid !== undefined) os.setPriority(child.pid, Math.max(priority, os.getPriority()));
  } catch (err) {
    // Either the process has ended, or it continues at the priority of the daemon.
    log.debug('could not lower the priority of the training process', { err, priority });
  }
}

/** Resolves when the process has ended and its output has been read. */
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
  // The message explains the failure; the error output is only the log of the training.
  if (output.failed !== undefined) return new TrainingError(output.failed.reason, output.failed.message);
  const options = output.tail.length > 0 ? { cause: new Error(output.tail.join('\n')) } : {};
  // A shell reports a child that signal n ended by exit code 128 + n.
  if (killedBy !== null || (code !== null && code > 128)) {
    const what = killedBy ?? `exit code ${String(code)}`;
    return new TrainingError('killed', `training was killed (${what})${adviceOn(killedBy ?? code)}`, options);
  }
  if (code === 0) return new TrainingError('failed', 'training ended without publishing a version', options);
  return new TrainingError('failed', `training ended with exit code ${String(code)}`, options);
}

/** Node ends with SIGABRT, SIGTRAP or SIGILL when its heap is full; Linux sends SIGKILL when memory is exhausted. */
function adviceOn(end: NodeJS.Signals | number | null): string {
  const outOfMemory = ['SIGABRT', 'SIGTRAP', 'SIGILL', 'SIGKILL', 132, 133, 134, 137];
  return end !== null && outOfMemory.includes(end)
    ? '; if memory ran out, lower training.maxRecords or provide more memory'
    : '';
}

function stopped(signal: AbortSignal): TrainingError {
  return new TrainingError('killed', 'training was stopped before it had finished', { cause: signal.reason });
}
