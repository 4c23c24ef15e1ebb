/** Loads a configuration: complete, checked and frozen settings, or every problem of every file. */
import { ConfigError, type ConfigProblem } from '../errors';
import { argumentOrigin, evaluate, type Layers } from '../schema/evaluate';
import { readConfigFile, readConfigFiles, type ConfigFile } from './files';
import { listKeys } from '../schema/key';
import { presetNames, presets } from './presets';
import { daemonSchema } from './daemon';
import { completeDetector, detectorRules, detectorSchema } from './detector';
import type { Settings } from './settings';
import { didYouMean, nearest } from '../schema/suggest';

export interface LoadOptions {
  /** Environment variables; empty ones count as absent. */
  env: Layers['env'];
  /** Values of `--set key=value`, by dotted key. Each applies to every file whose schema has the key. */
  overrides?: Layers['overrides'];
  /** Values that the command itself assumes, in the shape of a detector's file. The file takes precedence. */
  assumed?: unknown;
}

/** Problems of arguments whose key is in neither schema. */
function unknownOverrides(overrides: Layers['overrides']): ConfigProblem[] {
  const known = [...listKeys(daemonSchema).keys(), ...listKeys(detectorSchema).keys()];
  return Object.keys(overrides)
    .filter((key) => !known.includes(key))
    .map((key) => {
      const isSection = known.some((one) => one.startsWith(`${key}.`));
      const message = isSection ? 'is a section: set one of its keys' : 'is not a known key';
      const hint = isSection ? '' : didYouMean(nearest(key, known));
      return { file: argumentOrigin, key, message: `${message}${hint}` };
    });
}

/** Variables that Kubernetes adds for a service called `vaemon` or `vaemon-…`. */
const serviceVariable =
  /^VAEMON_(?:\w+_)?(?:SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$/;

/** Variables used by scripts that run vaemon, which they pass on. */
const scriptVariable = /^VAEMON_(?:DIR|PYTHON|EVENTS_BUDGET|(?:TEST|BENCH|FUZZ|FAULT)_\w+)$/;

/** Variable with the path of a `daemon.yaml` whose values apply if the configuration has none. The container image sets it. */
const defaultsVariable = 'VAEMON_DEFAULTS';

/** Reports misspelt variables, which would have no effect. */
function unknownVariables(env: Layers['env']): ConfigProblem[] {
  const known = [...listKeys(daemonSchema).values(), ...listKeys(detectorSchema).values()].flatMap(
    ({ env: name }) => (name === undefined ? [] : [name]),
  );
  return Object.keys(env)
    .filter((name) => name.startsWith('VAEMON_') && env[name] !== '' && !known.includes(name))
    .filter((name) => name !== defaultsVariable && !serviceVariable.test(name) && !scriptVariable.test(name))
    .map((name) => ({
      file: 'environment',
      key: name,
      message: `is not a variable of vaemon${didYouMean(nearest(name, known))}`,
    }));
}

/** Reports two detectors of one name, which would share metrics and model versions. */
function duplicateNames(detectors: Settings['detectors']): ConfigProblem[] {
  const first = new Map<string, string>();
  return detectors.flatMap(({ file, settings: { detector } }) => {
    const other = first.get(detector);
    // A detector with an invalid name is absent here; that problem has been reported already.
    if (other === undefined) first.set(detector, file);
    return other === undefined || typeof detector !== 'string'
      ? []
      : [{ file, key: 'detector', message: `"${detector}" is already the name of the detector in ${other}` }];
  });
}

/** The file of `VAEMON_DEFAULTS`; empty = none. */
export const defaultsFile = ({ [defaultsVariable]: file = '' }: Layers['env']): string => file;

/** Checks the file of `VAEMON_DEFAULTS` separately. */
async function readDefaults(env: Layers['env']): Promise<ConfigFile> {
  const file = defaultsFile(env);
  if (file === '') return { file, document: undefined, problems: [] };
  const { document, problems } = await readConfigFile(file);
  const alone = evaluate(daemonSchema, [], file, document, { env: {}, overrides: {} });
  return { file, document, problems: [...problems, ...alone.problems] };
}

/** The preset that a document selects. An unknown name is reported by the schema. */
function presetOf(document: unknown, { env, overrides }: Layers): object {
  const inFile = (document as { preset?: unknown } | null | undefined)?.preset;
  const variable = env[detectorSchema.preset.env ?? ''];
  const name = overrides['preset'] ?? (variable === '' ? undefined : variable) ?? inFile;
  return presets[presetNames.find((one) => one === name) ?? 'none'];
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}

/** Removes duplicates: problems of the environment and of arguments occur once per detector. */
function distinct(problems: readonly ConfigProblem[]): ConfigProblem[] {
  const seen = new Map(problems.map((one) => [`${one.file}\n${one.key}\n${one.message}`, one]));
  return [...seen.values()];
}

/**
 * Loads a detector's file, or a folder with an optional `daemon.yaml` and `detectors/*.yaml`. The result is deeply frozen.
 * @throws ConfigError with every problem
 */
export async function loadSettings(
  path: string,
  { env, overrides = {}, assumed }: LoadOptions,
): Promise<Settings> {
  const layers = { env, overrides };
  const files = await readConfigFiles(path);
  const readable = (file: ConfigFile): boolean => file.problems.length === 0;

  const daemonFile = files.daemon ?? { file: path, document: undefined, problems: [] };
  const defaults = await readDefaults(env);
  const daemon = evaluate(daemonSchema, [], daemonFile.file, daemonFile.document, {
    ...layers,
    ...(defaults.problems.length === 0 && { assumed: [defaults.document] }),
  });
  const detectors = files.detectors.filter(readable).map(({ file, document }) => ({
    file,
    ...evaluate(detectorSchema, detectorRules, file, document, {
      ...layers,
      assumed: [presetOf(document, layers), assumed],
    }),
  }));

  const problems = [
    ...files.problems,
    ...defaults.problems,
    ...daemonFile.problems,
    ...daemon.problems,
    ...files.detectors.flatMap((file) => file.problems),
    ...detectors.flatMap((one) => one.problems),
    ...duplicateNames(detectors),
    ...unknownOverrides(overrides),
    ...unknownVariables(env),
  ];
  if (problems.length > 0) throw new ConfigError(distinct(problems));
  return deepFreeze({
    daemon: daemon.settings,
    detectors: detectors.map(({ file, settings }) => ({ file, settings: completeDetector(settings) })),
  });
}
