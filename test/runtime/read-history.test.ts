import { mkdirSync, writeFileSync } from 'node:fs';
import sharp from 'sharp';
import { createRecordDecoder } from '../../src/pipeline/record-decoder';
import { loadSettings } from '../../src/config/load';
import { HistoryAccount } from '../../src/runtime/history-account';
import { readDataset } from '../../src/runtime/read-history';
import type { HistoryRange } from '../../src/sources/history';
import type { Message } from '../../src/sources/source';
import { createGapReader } from '../../src/training/gaps';
import { removeFolders, writeFolder } from '../config/folder';

afterAll(removeFolders);

const minute = 60_000;
const now = Date.parse('2026-03-31T00:00:00Z');
/** The topic has the last hour. */
const topicStart = now - 60 * minute;

interface Given {
  /** Name and content of the file. */
  file: readonly [name: string, content: string];
  /** Times and devices of the topic. */
  topic: readonly (readonly [time: number, key: string])[];
  share?: number;
  more?: string;
}

async function read({ file: [name, content], topic, share = 1, more = '' }: Given) {
  const folder = await writeFolder({
    [name]: content,
    'plant.yaml': `detector: plant
source: { kind: kafka, kafka: { brokers: [b:9092], topic: plant } }
fields: { key: meta.device, timestamp: at }
record: { channels: [flow], conditions: { mode: { kind: category, missing: unknown } } }
window: { length: 3 }
model: { latentDim: 2 }
training: { minRecords: 100, ${more} historyFrom: { columns: { key: device, timestamp: time, conditions: [mode] } } }
sinks: { kafka: { deadLetterTopic: dead } }
`,
  });
  const { detectors } = await loadSettings(`${folder}/plant.yaml`, {
    env: {},
    overrides: { 'training.historyFrom.path': `${folder}/${name}` },
  });
  const { settings } = detectors[0]!;
  const messages = topic.map(([time, device], i): Message => ({
    key: null,
    value: Buffer.from(
      JSON.stringify({ meta: { device }, at: time, values: { flow: i }, conditions: { mode: 'b' } }),
    ),
    timestamp: time,
    origin: { topic: 'plant', partition: 0, offset: String(i) },
    warmUp: false,
  }));
  const decoder = createRecordDecoder(settings);
  const account = new HistoryAccount(settings);
  const { dataset, fromFile } = await readDataset(
    {
      settings,
      // eslint-disable-next-line @typescript-eslint/require-await -- ReadHistory is asynchronous
      async *readHistory({ onShare }: HistoryRange) {
        onShare?.(share);
        if (messages.length > 0) yield messages;
      },
      exclude: [],
      now: () => now,
    },
    decoder,
    account,
    createGapReader(100),
  );
  const rows = dataset.devices.flatMap(({ key, from, to }) =>
    Array.from({ length: to - from }, (_, i) => ({
      key,
      minutes: (dataset.timestamps[from + i]! - topicStart) / minute,
      mode: decoder.table.value(dataset.conditions[from + i]!),
    })),
  );
  return { dataset, fromFile, rows, summary: account.summary() };
}

const csv = (rows: readonly (readonly [time: number, key: string])[]): string =>
  [
    'time,device,flow,mode',
    ...rows.map(([time, key]) => `${new Date(time).toISOString()},${key},1.5,a`),
  ].join('\n');

/** `count` records of a device, a minute apart. */
const minutes = (key: string, from: number, count: number) =>
  Array.from({ length: count }, (_, i) => [topicStart + (from + i) * minute, key] as const);

test('records of the file come before those of the topic; what both have is read once', async () => {
  const { rows, fromFile, dataset } = await read({
    file: ['month.csv', csv([...minutes('a', -5, 8), ...minutes('b', -2, 4)])],
    topic: [...minutes('a', 0, 4)],
  });
  expect(rows.filter(({ key }) => key === 'a')).toEqual([
    ...[-5, -4, -3, -2, -1].map((at) => ({ key: 'a', minutes: at, mode: 'a' })),
    ...[0, 1, 2, 3].map((at) => ({ key: 'a', minutes: at, mode: 'b' })),
  ]);
  // The topic has nothing of this device.
  expect(rows.filter(({ key }) => key === 'b').map((row) => row.minutes)).toEqual([-2, -1, 0, 1]);
  expect(fromFile).toMatchObject({
    records: 9,
    overlapping: 3,
    path: expect.stringMatching(/month\.csv$/) as string,
  });
  expect(dataset.records).toBe(13);
});

test('no window reaches from the file into the topic', async () => {
  const { dataset } = await read({
    file: ['month.csv', csv(minutes('a', -5, 5))],
    topic: minutes('a', 0, 5),
  });
  // Three windows of three records in each part.
  expect(dataset.ends).toHaveLength(6);
});

test('the file gets the rest of training.maxRecords, its newest records', async () => {
  const { rows, fromFile } = await read({
    file: ['month.csv', csv(minutes('a', -300, 305))],
    topic: minutes('a', 0, 20),
    more: 'maxRecords: 100,',
  });
  expect(fromFile).toMatchObject({ records: 80 });
  expect(rows.map((row) => row.minutes)).toEqual(Array.from({ length: 100 }, (_, i) => i - 80));
});

test('lines of an NDJSON file are records as in the topic', async () => {
  const line = (at: number) =>
    JSON.stringify({ meta: { device: 'a' }, at, values: { flow: 1 }, conditions: { mode: 'a' } });
  const { rows, summary } = await read({
    file: ['month.ndjson', [line(topicStart - minute), '{"broken', line(topicStart + 1)].join('\n')],
    topic: minutes('a', 0, 1),
  });
  expect(rows.map((row) => row.minutes)).toEqual([-1, 0]);
  expect(summary).toMatchObject({ records: 3, rejected: { not_json: 1 } });
});

test('time between the file and the topic counts neither as read nor as records', async () => {
  // One record a minute, in two stretches a year apart.
  const { dataset } = await read({
    file: ['old.csv', csv(minutes('a', -525_600, 61))],
    topic: minutes('a', 0, 61),
  });
  expect(dataset.recordsPerMs * minute).toBeCloseTo(1, 1);
  // The topic is read by a tenth.
  const sparse = await read({
    file: ['old.csv', csv(minutes('a', -525_600, 61))],
    topic: Array.from({ length: 7 }, (_, i) => [topicStart + 10 * i * minute, 'a'] as const),
    share: 0.1,
  });
  expect(sparse.dataset.recordsPerMs * minute).toBeCloseTo(1, 1);
});

test('a topic that is empty leaves the file alone', async () => {
  const { rows, fromFile } = await read({ file: ['old.csv', csv(minutes('a', -9, 9))], topic: [] });
  expect(rows).toHaveLength(9);
  expect(fromFile).toMatchObject({ records: 9, overlapping: 0 });
});

test('a detector of images on a topic learns from a folder of pictures as well', async () => {
  const folder = await writeFolder({
    'camera.yaml': `detector: camera
source: { kind: kafka, kafka: { brokers: [b:9092], topic: parts } }
fields: { image: photo, key: line, timestamp: at }
record: { kind: image, image: { width: 4, height: 2 } }
model: { latentDim: 2 }
training: { historyFrom: { path: PATH } }
sinks: { kafka: { deadLetterTopic: dead } }
`,
  });
  const { detectors } = await loadSettings(`${folder}/camera.yaml`, {
    env: {},
    overrides: { 'training.historyFrom.path': `${folder}/good` },
  });
  const { settings } = detectors[0]!;
  const png = (grey: number): Promise<Buffer> =>
    sharp({ create: { width: 4, height: 2, channels: 3, background: { r: grey, g: grey, b: grey } } })
      .png()
      .toBuffer();
  mkdirSync(`${folder}/good`);
  for (const i of [0, 1, 2]) writeFileSync(`${folder}/good/${i}.png`, await png(10 * i));
  writeFileSync(`${folder}/good/3.png`, 'no picture');
  const message: Message = {
    key: null,
    value: Buffer.from(
      JSON.stringify({ line: 'a', at: topicStart, photo: (await png(90)).toString('base64') }),
    ),
    timestamp: topicStart,
    origin: { topic: 'parts', partition: 0, offset: '0' },
    warmUp: false,
  };
  const account = new HistoryAccount(settings);
  const { dataset, fromFile } = await readDataset(
    {
      settings,
      // eslint-disable-next-line @typescript-eslint/require-await -- ReadHistory is asynchronous
      async *readHistory() {
        yield [message];
      },
      exclude: [],
      now: () => now,
    },
    createRecordDecoder(settings),
    account,
    createGapReader(100),
  );
  expect(Array.from(dataset.ends, (end) => dataset.values[8 * end])).toEqual([0, 10, 20, 90]);
  expect(fromFile).toMatchObject({ records: 3, overlapping: 0 });
  expect(account.rejected).toBe(1);
});

test.each([
  ['source: { kind: file, file: { path: x.csv } }', 'h.csv', /is for other sources/],
  [
    'source: { kind: kafka, kafka: { brokers: [b:1], topic: x } }',
    'h.parquet',
    /must be a CSV or NDJSON file/,
  ],
  [
    "source: { kind: kafka, kafka: { brokers: [b:1], topic: x } }\nfields: { key: '' }",
    'h.ndjson',
    /fields\.key must not be empty/,
  ],
])('a configuration that cannot work is refused: %s', async (source, path, problem) => {
  const folder = await writeFolder({
    'x.yaml': `detector: x
${source}
record: { channels: [a] }
training: { historyFrom: { path: ${path} } }
sinks: { kafka: { deadLetterTopic: dead } }
`,
  });
  await expect(loadSettings(`${folder}/x.yaml`, { env: {} })).rejects.toThrow(problem);
});
