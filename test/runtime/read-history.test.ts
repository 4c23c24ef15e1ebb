import { mkdirSync, writeFileSync } from 'node:fs';
import sharp from 'sharp';
import { createRecordDecoder } from '../../src/pipeline/record-decoder';
import { loadSettings } from '../../src/config/load';
import { readDataset } from '../../src/runtime/read-history';
import type { HistoryRange } from '../../src/sources/history';
import { countMessages, keepBlocks, keepPartitions } from '../../src/sources/kafka/offsets';
import type { Message } from '../../src/sources/source';
import type { Dataset } from '../../src/training/dataset';
import { splitByTime } from '../../src/training/split';
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
  const { dataset, fromFile, account } = await readDataset(
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
  const { dataset, fromFile, account } = await readDataset(
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

/** A topic whose devices send one record a minute each, in turn. Device d is on partition d modulo their number. */
async function readFleet(fleet: { partitions: number; devices: number; minutes: number; more?: string }) {
  const folder = await writeFolder({
    'plant.yaml': `detector: plant
source: { kind: kafka, kafka: { brokers: [b:9092], topic: plant } }
record: { channels: [flow] }
window: { length: 8 }
model: { latentDim: 2 }
training: { minRecords: 100, maxRecords: 2000, ${fleet.more ?? ''} }
sinks: { kafka: { deadLetterTopic: dead } }
`,
  });
  const { detectors } = await loadSettings(`${folder}/plant.yaml`, { env: {} });
  const { settings } = detectors[0]!;
  const own = fleet.devices / fleet.partitions;
  const all = Array.from({ length: fleet.partitions }, (_, partition) => ({
    partition,
    start: 0n,
    end: BigInt(own * fleet.minutes),
  }));
  const messageAt = (partition: number, offset: number): Message => {
    const at = now - (fleet.minutes - Math.floor(offset / own)) * minute;
    const key = `pump-${partition + fleet.partitions * (offset % own)}`;
    return {
      key: null,
      value: Buffer.from(JSON.stringify({ key, timestamp: at, values: { flow: at % 7 } })),
      timestamp: at,
      origin: { topic: 'plant', partition, offset: String(offset) },
      warmUp: false,
    };
  };
  const ranges: HistoryRange[] = [];
  const messages: number[] = [];
  // eslint-disable-next-line @typescript-eslint/require-await -- ReadHistory is asynchronous
  async function* readHistory(range: HistoryRange) {
    ranges.push(range);
    const chosen = keepPartitions(all, range.partitions ?? Infinity);
    const kept = keepBlocks(chosen, range.maxRecords, range.blocks ?? 1);
    range.onShare?.(countMessages(range.blocks === 1 ? chosen : kept) / countMessages(all));
    range.onPartitions?.({ read: chosen.length, all: all.length, available: countMessages(chosen) });
    messages.push(countMessages(kept));
    // Partitions arrive in another order each time.
    for (const { partition, start, end } of ranges.length % 2 === 0 ? kept : [...kept].reverse())
      for (let from = Number(start); from < Number(end); from += 500) {
        const length = Math.min(500, Number(end) - from);
        const chunk = Array.from({ length }, (_, i) => messageAt(partition, from + i));
        yield Object.assign(chunk, { block: `${partition}/${start}` });
      }
  }
  const read = () =>
    readDataset({ settings, readHistory, exclude: [], now: () => now }, createRecordDecoder(settings));
  return { read, ranges, messages };
}

const devicesOf = (dataset: Dataset) =>
  dataset.devices.map(({ key, from, to }) => ({ key, records: to - from, first: dataset.timestamps[from]! }));

test('a fleet whose newest records are windows of all devices is read as before, once', async () => {
  const { read, ranges } = await readFleet({ partitions: 10, devices: 50, minutes: 1000 });
  const { dataset, account } = await read();
  expect(ranges).toHaveLength(1);
  expect(ranges[0]).toMatchObject({ maxRecords: 2000, blocks: 1 });
  expect(ranges[0]!.partitions).toBeUndefined();
  expect(dataset.devices).toHaveLength(50);
  expect(devicesOf(dataset).every(({ records }) => records === 40)).toBe(true);
  expect(account.summary().part).toBeUndefined();
});

test('of a topic with many partitions whole series of some devices are read, seven windows of each', async () => {
  const { read, messages } = await readFleet({ partitions: 200, devices: 4000, minutes: 3000 });
  const { dataset, account } = await read();
  const devices = devicesOf(dataset);
  expect(devices).toHaveLength(Math.floor(2000 / devices[0]!.records));
  expect(devices.every(({ records, first }) => records >= 56 && first === now - records * minute)).toBe(true);
  // Several partitions, and each message that was read counts.
  const partitions = new Set(devices.map(({ key }) => Number(key.slice(5)) % 200));
  expect(partitions.size).toBeGreaterThan(3);
  expect(account.summary()).toMatchObject({
    records: messages.at(-1),
    part: { ofPartitions: 200, devices: devices.length, records: dataset.records },
  });
  expect(account.describe()).toMatch(
    /the history has [\d.]+ % of the devices of \d+ of 200 partitions: .*training\.maxRecords/,
  );
  // Enough windows for all uses.
  const { fit, validation, calibration } = splitByTime(dataset, 0.3);
  expect(Math.min(fit.length, validation.length, calibration.length)).toBeGreaterThan(100);
});

test('memory is bounded: at most twenty records are read for each that is kept', async () => {
  const { read, messages } = await readFleet({ partitions: 1, devices: 3000, minutes: 3000 });
  const { dataset } = await read();
  expect(messages).toEqual([2000, 40_000]);
  expect(dataset.records).toBeLessThanOrEqual(2000);
  expect(devicesOf(dataset).every(({ records }) => records >= 13)).toBe(true);
});

test('one partition of many devices is enough to train', async () => {
  const { read } = await readFleet({ partitions: 1, devices: 1000, minutes: 3000 });
  const { dataset, account } = await read();
  expect(devicesOf(dataset).every(({ records }) => records === 40)).toBe(true);
  expect(dataset.devices).toHaveLength(50);
  expect(account.summary().part).toMatchObject({ partitions: 1, ofPartitions: 1 });
});

test('reading again chooses the same devices and records, in whatever order partitions arrive', async () => {
  const { read } = await readFleet({ partitions: 50, devices: 1000, minutes: 2000 });
  const [first, second, third] = [await read(), await read(), await read()];
  expect(first.dataset.devices.length).toBeLessThan(1000);
  const sorted = ({ dataset }: typeof first) => devicesOf(dataset).sort((a, b) => (a.key < b.key ? -1 : 1));
  expect(sorted(second)).toEqual(sorted(first));
  expect(sorted(third)).toEqual(sorted(first));
});

test('the record rate is that of the whole fleet', async () => {
  const { read } = await readFleet({ partitions: 50, devices: 5000, minutes: 3000 });
  const { dataset } = await read();
  expect(dataset.devices.length).toBeLessThan(100);
  // 5,000 devices send one record a minute.
  expect(dataset.recordsPerMs * minute).toBeGreaterThan(4900);
  expect(dataset.recordsPerMs * minute).toBeLessThan(5200);
});

test('with training.blocks the stretches of each device are whole windows', async () => {
  const { read } = await readFleet({ partitions: 50, devices: 1000, minutes: 3000, more: 'blocks: 4,' });
  const { dataset } = await read();
  const { key, from, to } = dataset.devices[0]!;
  const times = Array.from(dataset.timestamps.subarray(from, to), (time) => (now - time) / minute);
  expect(key).toMatch(/^pump-/);
  // They lie in the whole time.
  expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(2000);
  expect(dataset.ends.length).toBeGreaterThan(dataset.records / 2);
  expect(dataset.recordsPerMs * minute).toBeGreaterThan(800);
  expect(dataset.recordsPerMs * minute).toBeLessThan(1300);
});
