/** Finds and reads the files of a configuration. */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import type { ConfigProblem } from '../errors';

/** One file: its parsed YAML, or the problems of the file as a whole. */
export interface ConfigFile {
  file: string;
  document: unknown;
  problems: readonly ConfigProblem[];
}

/** The files at a path: at most one `daemon.yaml`, and the files of detectors in the order of their names. */
export interface ConfigFiles {
  daemon: ConfigFile | undefined;
  detectors: readonly ConfigFile[];
  problems: readonly ConfigProblem[];
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'does not exist';
  if (code === 'EACCES') return 'cannot be read: permission denied';
  return code === 'EISDIR' ? 'is a folder' : `cannot be read: ${message}`;
}

/** Names of the YAML files in a folder, without hidden ones: Kubernetes keeps copies in `..data`. */
async function yamlFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
  return entries.filter((name) => /^[^.].*\.ya?ml$/.test(name)).sort();
}

function isCircular(document: unknown): boolean {
  try {
    JSON.stringify(document);
    return false;
  } catch {
    return true;
  }
}

function unreadable(file: string, message: string): ConfigFile {
  return { file, document: undefined, problems: [{ file, key: '', message }] };
}

function parseYaml(file: string, source: string): ConfigFile {
  const lines = new LineCounter();
  const parsed = parseDocument(source, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const problems = [...parsed.errors, ...parsed.warnings].map(({ code, message, pos: [start] }) => {
    const { line, col } = lines.linePos(start);
    const key = /^[^\s:]+/.exec(source.slice(start))?.[0] ?? '';
    const ours: Partial<Record<typeof code, string>> = {
      DUPLICATE_KEY: `the key ${key} is repeated`,
      MULTIPLE_DOCS: 'a second document begins here, but a file must have one',
    };
    const what = ours[code] ?? message;
    return { file, key: '', message: `line ${line}, column ${col}: ${what}` };
  });
  if (problems.length > 0) return { file, document: undefined, problems };
  const fail = (message: string): ConfigFile => unreadable(file, message);
  try {
    const document: unknown = parsed.toJS();
    return isCircular(document)
      ? fail('an alias refers to a value that contains it')
      : { file, document, problems };
  } catch (error) {
    // Thrown for aliases that expand to too many values.
    return fail((error as Error).message);
  }
}

/** Reads one file. Never rejects. */
export async function readConfigFile(file: string): Promise<ConfigFile> {
  try {
    return parseYaml(file, await readFile(file, 'utf8'));
  } catch (error) {
    return unreadable(file, reasonOf(error));
  }
}

async function readFolder(folder: string): Promise<ConfigFiles> {
  const detectorFolder = join(folder, 'detectors');
  const daemons = (await yamlFiles(folder)).filter((name) => /^daemon\.ya?ml$/.test(name));
  const names = await yamlFiles(detectorFolder);

  const problems: ConfigProblem[] = [];
  if (names.length === 0) {
    problems.push({ file: folder, key: '', message: 'has no detector: expected detectors/*.yaml in it' });
  }
  if (daemons.length > 1) {
    problems.push({ file: folder, key: '', message: `has both ${daemons.join(' and ')}: keep one` });
  }
  const detectors = await Promise.all(names.map((name) => readConfigFile(join(detectorFolder, name))));
  const daemon = daemons[0] === undefined ? undefined : await readConfigFile(join(folder, daemons[0]));
  return { daemon, detectors, problems };
}

/** Reads a detector's file, or a folder with an optional `daemon.yaml` and `detectors/*.yaml`. Never rejects. */
export async function readConfigFiles(path: string): Promise<ConfigFiles> {
  try {
    if ((await stat(path)).isDirectory()) return await readFolder(path);
    return { daemon: undefined, detectors: [await readConfigFile(path)], problems: [] };
  } catch (error) {
    return {
      daemon: undefined,
      detectors: [],
      problems: [{ file: path, key: '', message: reasonOf(error) }],
    };
  }
}

/**
 * SHA-256 of the names and contents of the files at a path, in hexadecimal. It is equal as long as nothing changes, even if
 * links lead elsewhere. A file that cannot be read counts as its error. Never rejects.
 * @param defaults file of `VAEMON_DEFAULTS`; empty = none
 */
export async function hashConfigFiles(path: string, defaults = ''): Promise<string> {
  const hash = createHash('sha256');
  for (const file of [...(defaults === '' ? [] : [defaults]), ...(await configFilesAt(path))]) {
    const content = await readFile(file).catch((error: unknown) => Buffer.from(reasonOf(error)));
    // Includes lengths, so that content cannot be confused with the name of a file.
    hash.update(`${file.length} ${file} ${content.length} `).update(content);
  }
  return hash.digest('hex');
}

async function configFilesAt(path: string): Promise<string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    const inside = async (folder: string): Promise<string[]> =>
      (await yamlFiles(folder)).map((name) => join(folder, name));
    return [...(await inside(path)), ...(await inside(join(path, 'detectors')))];
  } catch {
    return [path];
  }
}
