/** `vaemon doctor`: what this machine has, which engine scores and which trains, why, and how fast that is. */
import { cpus, totalmem } from 'node:os';
import { loadSettings } from '../config/load';
import type { EngineSettings } from '../config/settings';
import { openEngines, usualEngines } from '../runtime/engines';
import { whyNoOnnxRuntime } from '../onnx/session';
import { measureScoring } from '../scoring/probe';
import { loadSharp } from '../codecs/image/sharp';
import { firstLineOf } from '../system/error-text';
import type { Register } from './context';
import { configurationHelp, jsonText, setOption, type DetectorOptions } from './options';
import { installedVersion, vaemonVersion } from './version';

type Report = Awaited<ReturnType<typeof examine>>;

export const register: Register = (program, { env, stdout }) => {
  program
    .command('doctor')
    .description('print the hardware, the engines that score and train, and the reasons for their choice')
    .argument('[path]', `${configurationHelp}, for its \`engine\``)
    .addOption(setOption())
    .option('--json', 'print as JSON')
    .action(async (path: string | undefined, { set: overrides, json }: DetectorOptions) => {
      const wanted =
        path === undefined ? usualEngines : (await loadSettings(path, { env, overrides })).daemon.engine;
      const report = await examine(wanted);
      stdout.write(json === true ? jsonText(report) : describe(report));
    });
};

async function examine(wanted: EngineSettings) {
  const engines = await openEngines(wanted);
  const { scoring, training, tensors } = engines;
  const report = {
    vaemon: vaemonVersion(),
    node: process.versions.node,
    machine: {
      platform: `${process.platform} ${process.arch}`,
      processor: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
    },
    engines: { scoring, training, tensors },
    /** On one thread; windows of 32 records with 8 channels, in batches of 256. */
    windowsPerSecond: Math.round(await measureScoring(engines.openScoring)),
    packages: {
      'onnxruntime-node': {
        version: installedVersion('onnxruntime-node'),
        problem: await whyNoOnnxRuntime(),
      },
      sharp: { version: installedVersion('sharp'), problem: await problemOf(loadSharp) },
    },
  };
  await engines.close();
  return report;
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
