/** `vaemon config check|print|docs`. */
import { stringify } from 'yaml';
import { renderDocument } from '../config/document';
import { toDocument } from '../schema/key';
import { loadSettings } from '../config/load';
import { daemonSchema } from '../config/daemon';
import { detectorSchema } from '../config/detector';
import type { Settings } from '../config/settings';
import { ConfigError } from '../errors';
import { exitCodes, type Register } from './context';
import { setOption } from './set';

interface Options {
  set: Record<string, string>;
  json?: boolean;
}

function printJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** One YAML document for each file, as the file would be with every default written out. */
function effective(settings: Settings): string {
  const documents = [
    { title: 'daemon', document: toDocument(daemonSchema, settings.daemon) },
    ...settings.detectors.map((one) => ({
      title: one.file,
      document: toDocument(detectorSchema, one.settings),
    })),
  ];
  return documents.map(({ title, document }) => `# ${title}\n${stringify(document)}`).join('---\n');
}

function effectiveJson(settings: Settings): unknown {
  return {
    daemon: toDocument(daemonSchema, settings.daemon),
    detectors: settings.detectors.map(({ file, settings: one }) => ({
      file,
      settings: toDocument(detectorSchema, one),
    })),
  };
}

export const register: Register = (program, { env, stdout, setExitCode }) => {
  const config = program.command('config').description('check, print and explain configuration');

  config
    .command('check')
    .description('report every problem of a configuration; exits 78 if there is one')
    .argument('<path>', "a detector's file, or a folder with daemon.yaml and detectors/*.yaml")
    .addOption(setOption())
    .option('--json', 'print {ok, detectors, problems} as JSON')
    .action(async (path: string, { set: overrides, json = false }: Options) => {
      try {
        const settings = await loadSettings(path, { env, overrides });
        const detectors = settings.detectors.map((one) => one.settings.detector);
        stdout.write(
          json
            ? printJson({ ok: true, detectors, problems: [] })
            : `${path}: no problems; detectors: ${detectors.join(', ')}\n`,
        );
      } catch (error) {
        if (!json || !(error instanceof ConfigError)) throw error;
        stdout.write(printJson({ ok: false, detectors: [], problems: error.problems }));
        setExitCode(exitCodes.config);
      }
    });

  config
    .command('print')
    .description('print the configuration in force: files, environment, arguments and defaults')
    .argument('<path>', "a detector's file, or a folder with daemon.yaml and detectors/*.yaml")
    .addOption(setOption())
    .option('--json', 'print as JSON')
    .action(async (path: string, { set: overrides, json = false }: Options) => {
      const settings = await loadSettings(path, { env, overrides });
      stdout.write(json ? printJson(effectiveJson(settings)) : effective(settings));
    });

  config
    .command('docs')
    .description('print every key with its default and meaning, as Markdown')
    .action(() => {
      stdout.write(renderDocument());
    });
};
