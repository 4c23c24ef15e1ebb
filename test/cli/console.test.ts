import path from 'node:path';
import { Writable } from 'node:stream';
import { createConsole, formatSummary } from '../../src/cli/console';
import { loadSettings } from '../../src/config/load';
import type { Settings } from '../../src/config/settings';
import type { ReplaySummary } from '../../src/sinks/summary';
import { createRecordedLog } from '../runtime/recorded-log';

let settings: Settings;
beforeAll(async () => {
  settings = await loadSettings(path.join(__dirname, '../../config/demo'), { env: {} });
});

function create({ terminal = true } = {}) {
  let written = '';
  const stdout = new Writable({
    write(chunk, _, done) {
      written += String(chunk);
      done();
    },
  });
  const shown: (string | undefined)[] = [];
  const status = {
    stream: stdout,
    show: (text: string) => void shown.push(text),
    clear: () => void shown.push(undefined),
  };
  const log = createRecordedLog();
  const observer = createConsole({ settings, stdout, status: terminal ? status : undefined, log });
  return { observer, shown, log, written: () => written };
}

const progress = (epoch: number) => ({
  epoch,
  epochs: 8,
  trainLoss: 9,
  validationLoss: 9.87,
  secondsLeft: 3.2,
});
const swapped = { result: 'swapped', version: 'v1' } as const;

const summary: ReplaySummary = {
  records: 1000,
  faults: [
    {
      fault: { start: Date.UTC(2026, 0, 1, 13, 1, 25), end: 0, kind: 'slow_handler', channels: ['latency'] },
      delayMs: 8200,
      channel: 'latency',
    },
    {
      fault: { start: Date.UTC(2026, 0, 1, 13, 4, 48), end: 0, kind: 'cpu_hog', channels: ['cpu'] },
      delayMs: 3000,
      channel: 'latency',
    },
    {
      fault: { start: Date.UTC(2026, 0, 1, 13, 8, 36), end: 0, kind: 'leak', channels: [] },
      delayMs: undefined,
      channel: undefined,
    },
  ],
  normalRecords: 500,
  falseAlarms: 1,
  falseEvents: 0,
};

test('the progress of the first training is a bar on a terminal, and the end of the training clears it', () => {
  const { observer, shown, log } = create();
  observer.trainingProgress('host', progress(2));
  observer.trainingEnded('host', swapped);
  // Later trainings delay nothing.
  observer.trainingProgress('host', progress(3));
  observer.trainingEnded('host', swapped);
  expect(shown).toEqual([
    'training [========----------------------] epoch 2/8, loss 9.9 nats, at most 4 s left',
    undefined,
  ]);
  expect(log.entries).toEqual([]);
});

test('without a terminal progress is logged at each quarter', () => {
  const { observer, log } = create({ terminal: false });
  for (let epoch = 1; epoch <= 8; epoch++) observer.trainingProgress('host', progress(epoch));
  expect(log.entries.map(({ message, fields }) => [message, fields['epoch']])).toEqual([
    ['training', 2],
    ['training', 4],
    ['training', 6],
    ['training', 8],
  ]);
});

test('the first pass over a file ends with a summary, later ones do not', () => {
  const { observer, written } = create();
  observer.passEnded('host', 1, summary);
  const once = written();
  expect(once).toContain('target 0.03\n');
  expect(once).toContain('http://127.0.0.1:9464/metrics');
  observer.passEnded('host', 2, summary);
  expect(written()).toBe(once);
});

test('a summary names each fault, its delay and the channel of its event', () => {
  expect(formatSummary(summary, undefined).split('\n')).toEqual([
    '',
    'Known faults of the recording, and whether they were found:',
    '  13:01:25  slow_handler    found after   8 s  by latency',
    '  13:04:48  cpu_hog         found after   3 s  by latency (another channel was disturbed)',
    '  13:08:36  leak            NOT FOUND',
    '',
    '  faults found    2 of 3, median delay 8.2 s',
    '  false alarms    1 of 500 normal records: ratio 0.0020 (95 %: 0.00035 to 0.011)',
    '  false events    0',
    '',
    '',
  ]);
});
