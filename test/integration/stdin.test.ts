import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createPump, newFolder, removeFolders, writeConfig } from './plant';

jest.setTimeout(600_000);

afterAll(removeFolders);

const program = path.join(__dirname, '../../dist/main.js');

test('lines of standard input train a model and are scored; the process ends with the input, and a bad line is in the dead letters', async () => {
  const [config, store] = [await writeConfig(), await newFolder()];
  const deadLetters = path.join(store, 'dead.ndjson');
  const records = createPump('pump-1', {
    seed: 1,
    count: 1_000,
    start: Date.UTC(2026, 0, 1),
    disturb(values, i) {
      if (i >= 800 && i < 820) values[2]! += 30;
    },
  });
  const settings = {
    'source.stdin.historyRecords': 600,
    'store.path': store,
    'sinks.file.deadLetters': deadLetters,
    'http.port': 0,
    'log.format': 'json',
  };
  const sets = Object.entries(settings).map(([key, value]) => `--set=${key}=${value}`);
  const child = spawn(process.execPath, [program, 'run', config, '-', ...sets]);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = once(child, 'close');
  child.stdin.end(`${records.map((record) => JSON.stringify(record)).join('\n')}\n{"broken`);
  expect([(await ended)[0], output]).toEqual([0, expect.any(String)]);

  const log = output
    .split('\n')
    .filter((one) => one.startsWith('{'))
    .map((one) => JSON.parse(one) as { message: string; reason?: string });
  expect(log.at(-1)).toMatchObject({ message: 'stopped' });
  expect(log.find(({ message }) => message === 'stopping')).toMatchObject({
    reason: 'every source has ended',
  });
  expect(output).toMatch(/temperature/);
  const letters = (await readFile(deadLetters, 'utf8')).trim().split('\n');
  expect(letters.map((letter) => JSON.parse(letter) as object)).toEqual([
    expect.objectContaining({
      reason: 'not_json',
      origin: { topic: 'stdin', partition: 0, offset: '1000' },
    }),
  ]);
});
