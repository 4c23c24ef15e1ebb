/** docs/robustness.md names only what exists. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { exitCodeMeanings } from '../src/cli/context';

const read = (path: string): string => readFileSync(join(__dirname, '..', path), 'utf8');
const page = read('docs/robustness.md');
const named = (pattern: RegExp): string[] => [...new Set(page.match(pattern))];

test('every metric on the page is one of vaemon', () => {
  const metrics = read('docs/metrics.md');
  const names = named(/\bvaemon_[a-z_]+/g);
  expect(names.length).toBeGreaterThan(10);
  expect(names.filter((name) => !metrics.includes(`\`${name}\``))).toEqual([]);
});

test('every alert on the page is one of the rules', () => {
  const rules = read('deploy/prometheus/vaemon.rules.yml');
  const names = named(/\bVaemon[A-Z]\w+/g);
  expect(names.length).toBeGreaterThan(8);
  expect(names.filter((name) => !rules.includes(`alert: ${name}\n`))).toEqual([]);
});

test('every setting on the page is a key', () => {
  const keys = read('docs/configuration.md');
  const names = named(/`(?:window|record|sinks|fields|store|training)\.[A-Za-z.]+`/g);
  expect(names.length).toBeGreaterThan(4);
  expect(names.filter((name) => !keys.includes(name))).toEqual([]);
});

test('the exit codes are those of the commands', () => {
  const rows = page
    .slice(page.indexOf('## Exit codes'))
    .match(/^\| \d+ .*$/gm)!
    .map((row) =>
      row
        .split('|')
        .slice(1, 3)
        .map((cell) => cell.trim()),
    );
  expect(rows).toEqual(exitCodeMeanings.map(([code, meaning]) => [String(code), meaning]));
});
