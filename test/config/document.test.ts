import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderDocument } from '../../src/config/document';
import { listKeys } from '../../src/schema/key';
import { daemonSchema } from '../../src/config/daemon';
import { detectorSchema } from '../../src/config/detector';

const keys = [...listKeys(daemonSchema), ...listKeys(detectorSchema)];

test('docs/configuration.md is what the schemas say', () => {
  const page = readFileSync(join(__dirname, '../../docs/configuration.md'), 'utf8');
  expect(page).toBe(renderDocument());
});

test('every key is on the page with a meaning', () => {
  const page = renderDocument();
  for (const [path, key] of keys) {
    expect(page).toContain(`- \`${path}\`: `);
    expect(key.doc).not.toBe('');
  }
});

test('no line of the page is longer than 120 characters', () => {
  const longest = Math.max(
    ...renderDocument()
      .split('\n')
      .map((line) => line.length),
  );
  expect(longest).toBeLessThanOrEqual(120);
});

test('every default is one that its own key accepts and prints again', () => {
  for (const [path, key] of keys.filter(([, { default: standard }]) => standard !== null)) {
    expect([path, key.print(key.parse(key.default))]).toEqual([path, key.default]);
  }
});

test('no two keys of one file share a variable', () => {
  for (const schema of [daemonSchema, detectorSchema]) {
    const variables = [...listKeys(schema).values()].flatMap(({ env }) => env ?? []);
    expect(new Set(variables).size).toBe(variables.length);
  }
});

test('no key is in both kinds of file, so that --set cannot mean two things', () => {
  expect(new Set(keys.map(([path]) => path)).size).toBe(keys.length);
});
