/**
 * Finds the files of each series: `NAME.train.csv.gz`, `NAME.test.csv.gz` and `NAME.label.csv.gz` are one series; so are
 * `NAME.train.idx3.gz`, `NAME.test.idx3.gz` and `NAME.label.idx1.gz`.
 */
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

export interface SeriesFiles {
  name: string;
  train: string;
  test: string;
  /** File with labels of this series only. */
  labels: string | undefined;
}

export interface SeriesSelection {
  series: readonly SeriesFiles[];
  /** Files with labels of several series. */
  sharedLabels: readonly string[];
}

type Part = 'train' | 'test' | 'label';

const endings: Record<Part, RegExp> = {
  train: /\.train\.(csv|idx3)(\.gz)?$/,
  test: /\.test\.(csv|idx3)(\.gz)?$/,
  label: /\.labels?\.(csv|idx1)(\.gz)?$/,
};

/**
 * A path is a file, or a folder with files whose names end as described. A single training file, given as a file, belongs to
 * all tests; otherwise files belong together by name.
 * @throws Error with the name of a folder without such files, a series with only one file, or a duplicate name
 */
export async function findSeries(paths: {
  train: readonly string[];
  test: readonly string[];
  labels: readonly string[];
}): Promise<SeriesSelection> {
  const train = await listFiles(paths.train, 'train');
  const test = await listFiles(paths.test, 'test');
  const labels = await listFiles(paths.labels, 'label');
  const onlyPair = train.length === 1 && test.length === 1;
  const onlyTrain = train.length === 1 && train[0] === paths.train[0] ? train[0] : undefined;
  const trainByName = byName(train, 'train');
  const labelsByName = byName(labels, 'label');
  const series = [...byName(test, 'test')].map(([name, testPath]) => {
    const trainPath = onlyPair ? train[0] : (onlyTrain ?? trainByName.get(name));
    if (trainPath === undefined)
      throw new Error(`no training file belongs to ${testPath}: expected ${name}.train.csv`);
    const own = onlyPair && labels.length === 1 ? labels[0] : labelsByName.get(name);
    return { name, train: trainPath, test: testPath, labels: own };
  });
  const unused = train.find((path) => !series.some((one) => one.train === path));
  if (unused !== undefined) throw new Error(`no test file belongs to ${unused}`);
  return { series, sharedLabels: labels.filter((path) => !series.some((one) => one.labels === path)) };
}

async function listFiles(paths: readonly string[], part: Part): Promise<string[]> {
  const lists = await Promise.all(
    paths.map(async (path) => {
      if (!(await stat(path)).isDirectory()) return [path];
      const names = (await readdir(path)).filter((name) => endings[part].test(name)).sort();
      if (names.length === 0)
        throw new Error(
          `${path} has no file that ends in .${part}.csv or .${part}.${part === 'label' ? 'idx1' : 'idx3'}, with or without .gz`,
        );
      return names.map((name) => join(path, name));
    }),
  );
  return lists.flat();
}

function byName(paths: readonly string[], part: Part): Map<string, string> {
  const named = new Map<string, string>();
  for (const path of paths) {
    const name = seriesName(path, part);
    const other = named.get(name);
    if (other !== undefined) throw new Error(`${other} and ${path} are both called "${name}"`);
    named.set(name, path);
  }
  return named;
}

export function seriesName(path: string, part: Part): string {
  return basename(path)
    .replace(endings[part], '')
    .replace(/\.(csv|idx[13])(\.gz)?$/, '');
}
