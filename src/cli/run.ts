/** `vaemon run`: the daemon. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Option } from 'commander';
import { hashConfigFiles } from '../config/files';
import { defaultsFile, loadSettings } from '../config/load';
import type { Settings } from '../config/settings';
import { writeSettings } from '../config/written';
import { startDaemon } from '../runtime/daemon';
import { startServiceReports } from '../runtime/service-manager';
import { runTrainingProcess } from '../runtime/training-process';
import type { RunTraining } from '../runtime/training-run';
import { createLogger, type Logger } from '../logger';
import { exitCodes, type CommandContext, type Register } from './context';
import { createConsole } from './console';
import { configurationCommand, ownCommand, type DetectorOptions } from './options';
import { createStatusLine } from './status-line';
import { vaemonVersion } from './version';

export const register: Register = (program, context) => {
  configurationCommand(program, 'run', 'score records until SIGTERM or SIGINT')
    .argument('[input]', '`-`: score the lines of standard input, whatever the source of the configuration')
    .addOption(onceOption())
    .action((path: string, input: string | undefined, options: DetectorOptions & { once?: boolean }) =>
      runDaemon(path, { ...options.set, ...onePass(options), ...fromInput(path, input) }, context),
    );
};

/**
 * Overrides for an input that is given instead of the configured source.
 * @throws Error if it is not standard input, or if there is no configuration
 */
function fromInput(path: string, input: string | undefined): Readonly<Record<string, string>> {
  if (path === '-')
    throw new Error(
      'standard input has records, not a configuration: vaemon run CONFIG - (vaemon init proposes one)',
    );
  if (input === undefined) return {};
  if (input !== '-') throw new Error(`the input must be - for standard input (got ${input})`);
  return { 'source.kind': 'stdin' };
}

export function onceOption(): Option {
  return new Option('--once', 'end after one pass over each file source');
}

/** Overrides of `--once`. */
export function onePass({ once }: { once?: boolean }): Readonly<Record<string, string>> {
  return once === true ? { 'source.file.loop': 'false' } : {};
}

/** Runs the daemon of a configuration until a signal, or until every source has ended. */
export async function runDaemon(
  path: string,
  overrides: Readonly<Record<string, string>>,
  { env, stdout, setExitCode }: CommandContext,
): Promise<void> {
  const load = (): Promise<Settings> => loadSettings(path, { env, overrides });
  // Computed before the files are read, so that a change in between is detected later.
  const hash = (): Promise<string> => hashConfigFiles(path, defaultsFile(env));
  const files = { load, loadedHash: await hash(), hash };
  const settings = await load();
  const status = stdout.isTTY === true ? createStatusLine(stdout) : undefined;
  const output = status?.stream ?? stdout;
  const log = createLogger({ ...settings.daemon.log, stream: output });
  const signal = waitForSignal();
  // Replaced when the daemon listens; without a handler, the signal would end the process.
  let hangUp = (): void => undefined;
  const onHangUp = (): void => hangUp();
  process.on('SIGHUP', onHangUp);
  const daemon = await startDaemon({
    settings,
    version: vaemonVersion(),
    log,
    setLogLevel: (level) => log.setLevel(level),
    files,
    runTraining: (detector, inForce) => createTrainingRun(inForce, detector, overrides, env, log),
    observer: createConsole({ settings, stdout: output, status, log }),
  });
  hangUp = () => void daemon.reload();
  const service = startServiceReports({ env, report: daemon.report, log });
  const fail = (message: string, err: unknown): void => {
    log.error(message, { err });
    setExitCode(exitCodes.failure);
  };
  try {
    const ended = daemon.finished.then(() => 'every source has ended');
    log.info('stopping', { reason: await Promise.race([signal.received, ended]) });
  } catch (err) {
    fail('no detector is at work', err);
  }
  try {
    await Promise.all([service.stopping(), daemon.stop()]);
    log.info('stopped');
  } catch (err) {
    fail('could not stop cleanly', err);
  }
  signal.release();
  process.off('SIGHUP', onHangUp);
}

/** The first SIGTERM or SIGINT requests an orderly stop; a second one ends the process at once. */
function waitForSignal() {
  const names = ['SIGTERM', 'SIGINT'] as const;
  let release = (): void => undefined;
  const received = new Promise<string>((resolve) => {
    const listener = (name: string): void => {
      release();
      resolve(name);
    };
    release = () => names.forEach((name) => process.off(name, listener));
    for (const name of names) process.on(name, listener);
  });
  return { received, release };
}

/**
 * Returns a function that runs the command `train` of this program with the configuration in force, which may differ from its
 * files.
 */
function createTrainingRun(
  inForce: () => Settings,
  detector: string,
  overrides: Readonly<Record<string, string>>,
  env: CommandContext['env'],
  log: Logger,
): RunTraining {
  return async (
    { quarantinePath, lease, fileRecords, coldStart, onTrial },
    { onProgress, onHistory },
    signal,
  ) => {
    const path = await mkdtemp(join(tmpdir(), 'vaemon-'));
    const args = ['train', path, '--child', `--detector=${detector}`];
    args.push(`--quarantine=${quarantinePath}`, `--lease=${lease}`);
    if (fileRecords !== undefined) args.push(`--file-records=${fileRecords}`);
    if (coldStart) args.push('--cold-start');
    if (onTrial) args.push('--on-trial');
    // Log format of the training process; the daemon repeats its warnings in its own log.
    const command = ownCommand(args, { ...overrides, 'log.format': 'json' });
    const own = log.child({ component: detector, detector });
    try {
      await writeSettings(path, inForce(), detector);
      return await runTrainingProcess({ command, env, onProgress, onHistory, log: own, signal });
    } finally {
      await rm(path, { recursive: true, force: true });
    }
  };
}
