/** The structure that docs/architecture.md promises, as far as eslint.config.mjs does not hold it already. */
import { dirname, join, relative } from 'node:path';
import { readdirSync, readFileSync } from 'node:fs';
import { preProcessFile } from 'typescript';

const root = join(__dirname, '../src');

const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join(root, name));

/** The files of src that a file imports, types included. */
function importsOf(file: string): string[] {
  return preProcessFile(readFileSync(file, 'utf8'))
    .importedFiles.filter(({ fileName }) => fileName.startsWith('.'))
    .map(({ fileName }) => join(dirname(file), fileName))
    .map((path) => [`${path}.ts`, join(path, 'index.ts')].find((candidate) => files.includes(candidate)))
    .filter((path) => path !== undefined);
}

/** The first circle of imports that is found from `file`; undefined when there is none. */
function circleFrom(
  file: string,
  imports: ReadonlyMap<string, readonly string[]>,
  path: readonly string[],
  done: Set<string>,
): readonly string[] | undefined {
  if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
  if (done.has(file)) return undefined;
  for (const next of imports.get(file) ?? []) {
    const circle = circleFrom(next, imports, [...path, file], done);
    if (circle !== undefined) return circle;
  }
  done.add(file);
  return undefined;
}

test('no file imports itself by way of others, not even a type', () => {
  const imports = new Map(files.map((file) => [file, importsOf(file)]));
  const done = new Set<string>();
  const circles = files
    .map((file) => circleFrom(file, imports, [], done))
    .filter((circle) => circle !== undefined);
  expect(circles.map((circle) => circle.map((file) => relative(root, file)))).toEqual([]);
});
