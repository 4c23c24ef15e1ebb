/** Very many devices, and very few descriptors. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { until } from './kafka/broker';
import { createPump, newFolder, removeFolders, toCsv, writeConfig, type PlantRecord } from './plant';
import { endAllVaemon, startVaemon, type SettingsOverrides, type VaemonProcess } from './vaemon-process';

jest.setTimeout(240_000);

const history = 600;
const start = Date.UTC(2026, 0, 1);
let config: string;
let store: string;

const settings = (file: string): SettingsOverrides => ({
  'source.file.path': file,
  'source.file.historyRecords': history,
  'source.file.columns.conditions': 'mode',
  'store.path': store,
});

async function write(name: string, records: Iterable<PlantRecord>): Promise<string> {
  const file = path.join(config, name);
  await writeFile(file, toCsv([...records]));
  return file;
}

const normal = createPump('pump-1', { seed: 1, count: 2000, start });

beforeAll(async () => {
  config = await writeConfig();
  store = await newFolder();
  const training = startVaemon(['train'], config, settings(await write('normal.csv', normal)));
  expect(await training.ended).toEqual({ code: 0, signal: null });
});
afterEach(endAllVaemon);
afterAll(removeFolders);

/** Largest memory of the process so far, MiB (Linux). */
function peakMemory({ pid }: VaemonProcess): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}

test('a million devices of one record each take no more memory than the windows of those that fit', async () => {
  const million = 1_000_000;
  function* records() {
    yield* normal.slice(0, history);
    for (let i = 0; i < million; i++)
      yield { ...normal[history + (i % 1000)]!, key: `device-${i}`, timestamp: start + (history + i) * 1000 };
    yield* normal.slice(history);
  }
  const file = await write('million.csv', records());
  const daemon = startVaemon(['run'], config, { ...settings(file), 'source.file.loop': 'true' });
  let peak = 0;
  let pages = '';
  await until(
    'a million records',
    async () => {
      pages = (await daemon.get('/metrics')).body;
      peak = peakMemory(daemon);
      return (await daemon.metric('vaemon_records_consumed_total')) >= million;
    },
    170_000,
  );
  expect(pages).not.toContain('device-');
  expect(await daemon.signal('SIGTERM')).toEqual({ code: 0, signal: null });
  process.stdout.write(`a million devices: ${Math.round(peak)} MiB\n`);
  expect(peak).toBeLessThan(500);
});

test('with 64 descriptors and 300 open connections it goes on scoring, and answers when they are gone', async () => {
  const file = await write('normal.csv', normal);
  const endless = {
    ...settings(file),
    'source.file.loop': 'true',
    'source.file.rate': 200,
  };
  const daemon = startVaemon(['run'], config, endless, {}, 64);
  await daemon.ready();
  const before = await daemon.metric('vaemon_records_scored_total');
  const { port } = new URL(String(daemon.log('web server listens')[0]!['url']));
  const sockets = Array.from({ length: 300 }, (): Socket => {
    const socket = connect(Number(port), '127.0.0.1');
    return socket.on('error', () => undefined);
  });
  await new Promise((resolve) => setTimeout(resolve, 2000));
  for (const socket of sockets) socket.destroy();
  await until('an answer', () =>
    daemon.get('/healthz').then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
  expect(await daemon.metric('vaemon_records_scored_total')).toBeGreaterThan(before + 200);
  expect(await daemon.signal('SIGTERM')).toEqual({ code: 0, signal: null });
});
