/** `vaemon config check|print|docs`. */
import { stringify } from 'yaml';
import { renderDocument } from '../config/document';
import { toDocument } from '../schema/key';
import { loadSettings } from '../config/load';
import { daemonSchema } from '../config/daemon';
import { detectorSchema } from '../config/detector';
import type { Settings } from '../config/settings';
import { ConfigError } from '../errors';
import { windowMemory } from '../offline/doctor/memory';
import { exitCodes, type Register } from './context';
import { configurationCommand, jsonText, type DetectorOptions } from './options';

type Options = Pick<DetectorOptions, 'set' | 'json'>;

/** The settings as their files would be with every default written out. */
function effective({ daemon, detectors }: Settings) {
  return {
    daemon: toDocument(daemonSchema, daemon),
    detectors: detectors.map(({ file, settings }) => ({
      file,
      settings: toDocument(detectorSchema, settings),
    })),
  };
}

/** One YAML document for each file. */
function effectiveYaml(all: Settings): string {
  const { daemon, detectors } = effective(all);
  return [{ file: 'daemon', settings: daemon }, ...detectors]
    .map(({ file, settings }) => `# ${file}\n${stringify(settings)}`)
    .join('---\n');
}

function describeMemory({
  detector,
  maxKeys,
  bytesPerDevice,
  bytes,
}: ReturnType<typeof windowMemory>): string {
  const mib = Math.max(1, Math.round(bytes / 2 ** 20)).toLocaleString('en');
  const kib = (bytesPerDevice / 1024).toLocaleString('en', { maximumFractionDigits: 1 });
  return (
    `${detector}: the windows of window.maxKeys (${maxKeys.toLocaleString('en')}) devices take about ${mib} MiB ` +
    `per partition, ${kib} KiB each\n`
  );
}

export const register: Register = (program, { env, stdout, setExitCode }) => {
  const config = program.command('config').description('check, print and explain configuration');

  configurationCommand(config, 'check', 'report every problem of a configuration; exits 78 if there is one')
    .option('--json', 'print {ok, detectors, problems} as JSON')
    .action(async (path: string, { set: overrides, json = false }: Options) => {
      try {
        const settings = await loadSettings(path, { env, overrides });
        const detectors = settings.detectors.map((one) => one.settings.detector);
        stdout.write(
          json
            ? jsonText({
                ok: true,
                detectors,
                problems: [],
                windowMemory: settings.detectors.map((one) => windowMemory(one.settings)),
              })
            : `${path}: no problems; detectors: ${detectors.join(', ')}\n` +
                settings.detectors.map((one) => describeMemory(windowMemory(one.settings))).join(''),
        );
      } catch (error) {
        if (!json || !(error instanceof ConfigError)) throw error;
        stdout.write(jsonText({ ok: false, detectors: [], problems: error.problems }));
        setExitCode(exitCodes.config);
      }
    });

  configurationCommand(
    config,
    'print',
    'print the configuration in force: files, environment, arguments and defaults',
  )
    .option('--json', 'print as JSON')
    .action(async (path: string, { set: overrides, json = false }: Options) => {
      const settings = await loadSettings(path, { env, overrides });
      stdout.write(json ? jsonText(effective(settings)) : effectiveYaml(settings));
    });

  config
    .command('docs')
    .description('print every key with its default and meaning, as Markdown')
    .action(() => void stdout.write(renderDocument()));
};
