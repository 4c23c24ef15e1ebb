/**
 * `vaemon doctor`: reports the machine, the engines for scoring and training with reasons, and their speed; for a
 * configuration, whether everything that it depends on is available.
 */
import { cpus, totalmem } from 'node:os';
import { loadSettings } from '../config/load';
import { openEngines, usualEngines, type Engines } from '../runtime/engines';
import { whyNoOnnxRuntime } from '../onnx/session';
import { measureScoring } from '../scoring/probe';
import { loadSharp } from '../codecs/image/sharp';
import { examine, type DoctorFinding } from '../offline/doctor/doctor';
import { firstLineOf } from '../system/error-text';
import { printable } from '../system/printable';
import { exitCodes, type Register } from './context';
import { configurationHelp, jsonText, setOption, type DetectorOptions } from './options';
import { installedVersion, vaemonVersion } from './version';

type Report = Awaited<ReturnType<typeof describeMachine>>;

interface Options extends DetectorOptions {
  createTopics?: boolean;
}

export const register: Register = (program, { env, stdout, setExitCode }) => {
  program
    .command('doctor')
    .description(
      'look at this machine, and at everything that a configuration depends on: brokers, topics, rights, servers, the store, its models',
    )
    .argument('[path]', configurationHelp)
    .addOption(setOption())
    .option(
      '--create-topics',
      'create the topics of detections, rejected records and labels that do not exist',
    )
    .option('--json', 'print as JSON')
    .action(async (path: string | undefined, options: Options) => {
      const { set: overrides, json = false, createTopics = false } = options;
      const settings = path === undefined ? undefined : await loadSettings(path, { env, overrides });
      const engines = await openEngines(settings?.daemon.engine ?? usualEngines);
      try {
        const machine = await describeMachine(engines);
        if (!json) stdout.write(describe(machine));
        if (settings === undefined) {
          if (json) stdout.write(jsonText(machine));
          return;
        }
        const { openScoring: openSession } = engines;
        const findings = await examine({ settings, openSession, createTopics, now: Date.now });
        const ok = findings.every(({ level }) => level !== 'wrong');
        stdout.write(json ? jsonText({ ...machine, ok, findings }) : describeFindings(findings));
        if (!ok) setExitCode(exitCodes.failure);
      } finally {
        await engines.close();
      }
    });
};

/** One line per finding, followed by its solution. */
function describeFindings(findings: readonly DoctorFinding[]): string {
  const lines = findings.flatMap(({ level, detector, subject, message, mend }) => [
    `${level.padEnd(8)} ${detector === undefined ? '' : `${detector}: `}${subject}: ${message}`,
    ...(mend === undefined ? [] : [`         -> ${mend}`]),
  ]);
  const count = (level: DoctorFinding['level']) => findings.filter((one) => one.level === level).length;
  return `\n${lines.map(printable).join('\n')}\n\n${count('wrong')} wrong, ${count('warning')} warnings\n`;
}

async function describeMachine(engines: Engines) {
  const { scoring, training, tensors } = engines;
  return {
    vaemon: vaemonVersion(),
    node: process.versions.node,
    machine: {
      platform: `${process.platform} ${process.arch}`,
      processor: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
    },
    engines: { scoring, training, tensors },
    /** Measured on one thread, with windows of 32 records with 8 channels, in batches of 256. */
    windowsPerSecond: Math.round(await measureScoring(engines.openScoring)),
    packages: {
      'onnxruntime-node': {
        version: installedVersion('onnxruntime-node'),
        problem: await whyNoOnnxRuntime(),
      },
      sharp: { version: installedVersion('sharp'), problem: await problemOf(loadSharp) },
    },
  };
}

async function problemOf(load: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await load();
    return undefined;
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    return firstLineOf(cause);
  }
}

const uses: Readonly<Record<string, string>> = {
  'onnxruntime-node': 'the fastest engine; without it tfjs scores and trains',
  sharp: 'reads images; needed for records that are images',
};

function describe({ vaemon, node, machine, engines, windowsPerSecond, packages }: Report): string {
  const { scoring, training, tensors } = engines;
  const lines = [
    `vaemon ${vaemon}, Node.js ${node}, ${machine.platform}`,
    `${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB`,
    '',
    `scores   ${scoring.name.padEnd(14)} ${scoring.reason}`,
    `trains   ${training.name.padEnd(14)} ${training.reason}`,
    `tensors  ${tensors.name.padEnd(14)} ${tensors.reason}`,
    `speed    ${windowsPerSecond.toLocaleString('en')} windows a second on one thread (32 records of 8 channels each)`,
    '',
    ...Object.entries(packages).map(([name, { version, problem }]) => {
      const state =
        problem === undefined ? `works (${version ?? 'unknown version'})` : `does not load: ${problem}`;
      return `${name}: ${state}\n  ${uses[name] ?? ''}`;
    }),
  ];
  return `${lines.join('\n')}\n`;
}
