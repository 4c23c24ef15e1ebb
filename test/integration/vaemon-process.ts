/** `vaemon` as its user starts it: a process of its own, from what `npm run build` has made. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { until } from './kafka/broker';

const program = path.join(__dirname, '../../dist/main.js');

/** One line of the log. */
export type LogLine = Record<string, unknown> & { level: string; message: string };

/** By dotted key, for `--set`. */
export type SettingsOverrides = Readonly<Record<string, string | number>>;

export interface ExitStatus {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface VaemonProcess {
  pid: number;
  /** So far. */
  stdout(): string;
  stderr(): string;
  /** The lines of the log with this message so far; all of them when none is given. */
  log(message?: string): LogLine[];
  ended: Promise<ExitStatus>;
  /** Status and body of a page, once the web server listens. */
  get(page: string): Promise<{ status: number; body: string }>;
  /** Resolves when /readyz answers 200; rejects at once when the process ends instead. */
  ready(timeoutMs?: number): Promise<void>;
  /** Sum of the samples of a metric that have these labels. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
  signal(name: NodeJS.Signals): Promise<ExitStatus>;
}

const running = new Set<ChildProcess>();

/**
 * Starts `vaemon COMMAND FOLDER --set …`, with secrets in its environment. It logs JSON, and listens on a port of its own
 * unless told otherwise.
 * @param folder configuration; empty = the command has none
 * @param descriptors most open files, connections included
 */
export function startVaemon(
  command: readonly string[],
  folder: string,
  settings: SettingsOverrides = {},
  secrets: Readonly<Record<string, string>> = {},
  descriptors?: number,
): VaemonProcess {
  if (!existsSync(program)) throw new Error(`${program} is missing: run "npm run build" first`);
  const all: SettingsOverrides = { 'http.port': 0, 'log.format': 'json', ...settings };
  const sets = Object.entries(all).map(([key, value]) => `--set=${key}=${value}`);
  const [name, ...options] = command;
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('VAEMON_')));
  const argv = [process.execPath, program, name!, ...(folder === '' ? [] : [folder]), ...options, ...sets];
  const limited = ['bash', '-c', `ulimit -n ${descriptors ?? 0}; exec "$0" "$@"`, ...argv];
  const [file, ...args] = descriptors === undefined ? argv : limited;
  const child = spawn(file!, args, {
    env: { ...env, ...secrets },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  let status: ExitStatus | undefined;
  const ended = new Promise<ExitStatus>((resolve) => {
    child.once('close', (code, signal) => {
      running.delete(child);
      status = { code, signal };
      resolve(status);
    });
  });

  function log(message?: string): LogLine[] {
    const lines = stdout
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{'));
    return lines
      .map((line) => JSON.parse(line) as LogLine)
      .filter((line) => message === undefined || line.message === message);
  }

  function stillRuns(): void {
    if (status !== undefined)
      throw new Error(`vaemon has ended (${JSON.stringify(status)}):\n${stdout}${stderr}`);
  }

  async function get(page: string): Promise<{ status: number; body: string }> {
    await until('the web server', () => {
      stillRuns();
      return log('web server listens').length > 0;
    });
    // A connection of its own: a busy daemon may close an idle one just as the next question is written to it.
    const url = `${String(log('web server listens')[0]!['url'])}${page}`;
    const response = await fetch(url, { headers: { connection: 'close' } });
    return { status: response.status, body: await response.text() };
  }

  return {
    pid: child.pid!,
    stdout: () => stdout,
    stderr: () => stderr,
    log,
    ended,
    get,
    async ready(timeoutMs = 60_000) {
      let last = '';
      await until(
        'vaemon to be ready',
        async () => {
          stillRuns();
          const { status: code, body } = await get('/readyz');
          last = body;
          return code === 200;
        },
        timeoutMs,
      ).catch((error: unknown) => {
        throw new Error(`${String(error)}; last answer: ${last}\n${stdout}${stderr}`);
      });
    },
    async metric(name, labels = {}) {
      const { body } = await get('/metrics');
      return samplesOf(body)
        .filter((sample) => sample.name === name)
        .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
        .reduce((sum, { value }) => sum + value, 0);
    },
    signal(signalName) {
      child.kill(signalName);
      return ended;
    },
  };
}

/** Ends what a test has left running. */
export async function endAllVaemon(): Promise<void> {
  await Promise.all(
    [...running].map(
      (child) =>
        new Promise((resolve) => {
          child.once('close', resolve);
          child.kill('SIGKILL');
        }),
    ),
  );
}

interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

function samplesOf(text: string): Sample[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const { name, labels, value } = /^(?<name>\w+)(\{(?<labels>.*)\})? (?<value>\S+)$/.exec(line)!.groups!;
      const pairs = [...(labels ?? '').matchAll(/(\w+)="([^"]*)"/g)];
      return {
        name: name!,
        labels: Object.fromEntries(pairs.map(([, label, text]) => [label, text])),
        value: Number(value),
      };
    });
}

/** The training process of a daemon, while there is one (Linux). */
export function trainingPidOf(daemon: VaemonProcess): number | undefined {
  const children = readFileSync(`/proc/${daemon.pid}/task/${daemon.pid}/children`, 'utf8');
  return children
    .split(' ')
    .filter((pid) => pid !== '')
    .map(Number)
    .find((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes('train');
      } catch {
        // It has ended in between.
        return false;
      }
    });
}
