import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DetectorSettings } from '../../src/config/settings';
import { watchLabels } from '../../src/runtime/labels';
import { createRecordedLog } from './recorded-log';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'vaemon-labels-'))));
afterEach(() => rmSync(directory, { recursive: true }));

const settingsWith = (file: string, topic = ''): DetectorSettings =>
  ({
    detector: 'plant',
    fields: { timestampFormat: 'ms' },
    training: { labels: { file, topic } },
  }) as unknown as DetectorSettings;

test('follows a file: what is added is known from the next reading on, and what cannot be read changes nothing', async () => {
  const file = join(directory, 'labels.csv');
  writeFileSync(file, 'start,end,key,label\n1000,2000,a,anomaly\n');
  const log = createRecordedLog();
  const watch = watchLabels(settingsWith(file), 1e9, log)!;
  expect(watch.current()).toEqual([]);
  await watch.refresh();
  const first = watch.current();
  expect(first).toEqual([{ key: 'a', from: 1000, to: 2000, label: 'anomaly' }]);
  await watch.refresh();
  expect(watch.current()).toBe(first);
  appendFileSync(file, '3000,4000,,new normal\n');
  await watch.refresh();
  const second = watch.current();
  expect(second.slice(1)).toEqual([{ key: '', from: 3000, to: 4000, label: 'new normal' }]);
  appendFileSync(file, '5000,4000,,anomaly\n');
  await watch.refresh();
  await watch.refresh();
  expect(watch.current()).toBe(second);
  rmSync(file);
  await watch.refresh();
  expect(watch.current()).toBe(second);
  writeFileSync(file, 'start,end\n1,2\n');
  await watch.refresh();
  expect(watch.current()).toEqual([{ key: '', from: 1, to: 2, label: 'anomaly' }]);
  await watch.stop();
  expect(log.entries.map(({ level, message }) => `${level}: ${message}`)).toEqual([
    'info: labels were read',
    'info: labels were read',
    'error: labels could not be read; those read before are in use',
    'error: labels could not be read; those read before are in use',
    'info: labels were read',
  ]);
});

test('there is nothing to follow where no labels are configured', () => {
  expect(watchLabels(settingsWith(''), 1000, createRecordedLog())).toBeUndefined();
});
