/** What a training that ends without a model reports. */
import { join } from 'node:path';
import { loadSettings } from '../../src/config/load';
import { settingsFingerprint } from '../../src/config/fingerprint';
import { createCategoryTable } from '../../src/domain/condition';
import { isColdStart } from '../../src/runtime/cold-start';
import { trainDetector } from '../../src/runtime/trainer';
import { decodeBundle } from '../../src/scoring/bundle';
import type { ReadHistory } from '../../src/sources/history';
import type { Message } from '../../src/sources/source';
import { createRandom } from '../../src/tensor';
import { openTestBackend } from '../backend';
import { removeFolders, writeFolder } from '../config/folder';

afterAll(removeFolders);

const now = Date.parse('2026-03-02T00:00:00Z');
const sensor = `detector: pump
source: { kind: file, file: { path: in.ndjson } }
record: { channels: [flow] }
training: { minRecords: 100 }
`;

function historyOf(values: readonly (Buffer | string)[], key: Buffer | null = null): ReadHistory {
  const messages = values.map((value, i): Message => ({
    key,
    value: Buffer.from(value),
    timestamp: now - 1e6 + i * 1000,
    origin: { topic: 't', partition: 0, offset: String(i) },
    warmUp: false,
  }));
  // eslint-disable-next-line @typescript-eslint/require-await -- ReadHistory is asynchronous
  return async function* () {
    if (messages.length > 0) yield messages;
  };
}

async function failureOf(
  values: readonly (Buffer | string)[],
  yaml = sensor,
  overrides: Record<string, string> = {},
  more: Partial<Parameters<typeof trainDetector>[0]> = {},
) {
  const path = await writeFolder({ 'detector.yaml': yaml });
  const { detectors } = await loadSettings(`${path}/detector.yaml`, { env: {}, overrides });
  const histories: unknown[] = [];
  const training = trainDetector({
    settings: detectors[0]!.settings,
    readHistory: historyOf(values),
    store: { publish: () => Promise.reject(new Error('must not be reached')) },
    engines: { tensors: { name: 'cpu', reason: '' } } as never,
    exclude: [],
    ...more,
    onHistory: (history) => histories.push(history),
    writtenBy: {},
    onProgress: () => undefined,
    now: () => now,
  });
  const message = await training.then(
    () => 'trained',
    (error: unknown) => (error as Error).message,
  );
  return { message, history: histories[0] };
}

type TrainerParts = Parameters<typeof trainDetector>[0];

/** Report and files of the version that a training publishes. */
async function trained(
  parts: Pick<TrainerParts, 'settings' | 'readHistory' | 'coldStart' | 'backbonePath'>,
): Promise<{
  report: Awaited<ReturnType<typeof trainDetector>>['report'];
  files: ReadonlyMap<string, Uint8Array>;
}> {
  const published: ReadonlyMap<string, Uint8Array>[] = [];
  const { report } = await trainDetector({
    ...parts,
    store: {
      publish(files) {
        published.push(files);
        return Promise.resolve('v1');
      },
    },
    engines: { tensors: { name: 'wasm', reason: '' } } as never,
    exclude: [],
    writtenBy: {},
    onProgress: () => undefined,
    now: () => now,
  });
  return { report, files: published[0]! };
}

const at = (i: number): string => new Date(now - 1e6 + i * 1000).toISOString();
const records = (of: (i: number) => object, count = 600) =>
  Array.from({ length: count }, (_, i) =>
    JSON.stringify({ key: 'a', timestamp: at(i), values: { flow: i }, ...of(i) }),
  );

test.each<[string, (i: number) => object, string[]]>([
  [
    'not_a_number',
    () => ({ values: { flow: '10.09' } }),
    ['600 not_a_number (t:0:0: channel "flow"', 'got "10.09"'],
  ],
  [
    'timestamp_in_future',
    (i) => ({ timestamp: new Date(now + 1e9 + i).toISOString() }),
    ['see record.maxAhead'],
  ],
  ['missing_key', () => ({ key: undefined, 'host.name': 'p1' }), ['600 missing_key', 'see fields.key']],
  [
    'missing_timestamp',
    () => ({ timestamp: undefined, ts: 1 }),
    ['600 missing_timestamp', 'see fields.timestamp'],
  ],
  [
    'bad_timestamp',
    () => ({ timestamp: 'yesterday' }),
    ['600 bad_timestamp', '"yesterday"', 'fields.timestampFormat'],
  ],
  [
    'out_of_order',
    (i) => ({ timestamp: at(600 - i) }),
    ['599 out_of_order (key "a" has a record after a later one'],
  ],
  [
    'duplicate',
    () => ({ timestamp: at(0) }),
    ['599 duplicate (key "a" has a second record at', 'see fields.key'],
  ],
  ['missing_channel', () => ({ values: {} }), ['record.channels, fields.values, record.missingChannels']],
])('records rejected as %s are counted, with an example and the setting', async (reason, of, parts) => {
  const { message, history } = await failureOf(records(of));
  for (const part of ['0 complete windows of 10 records', '600 records read', ...parts])
    expect(message).toContain(part);
  expect(history).toMatchObject({ records: 600, rejected: { [reason]: expect.any(Number) as number } });
});

test('every reason is named where there are several', async () => {
  const { message } = await failureOf(
    records((i) => (i % 3 === 0 ? { values: { flow: 'x' } } : { key: undefined })),
  );
  expect(message).toMatch(/rejected: 400 missing_key \(.*\), 200 not_a_number \(/);
});

test('windows that window.ttl cuts are counted, with the longest run', async () => {
  const { message } = await failureOf(
    records((i) => ({ timestamp: new Date(now - 9e9 + i * 7_200_000).toISOString() })),
  );
  expect(message).toContain('599 silences above window.ttl (1h) cut windows');
  expect(message).toContain('the longest run of a device has 1 records, a window 10 (window.length)');
});

test('gaps that cut windows are counted', async () => {
  const { message } = await failureOf(
    records(() => ({})),
    sensor,
    {
      'window.interval': '100ms',
      'window.gaps': 'break',
    },
  );
  expect(message).toContain('599 gaps cut windows (see window.interval, 100ms, and window.gaps)');
});

test('as many devices as records are named', async () => {
  const { message } = await failureOf(records((i) => ({ key: `k${i}` })));
  expect(message).toContain('600 records read, 600 used, of 600 devices');
});

test('too short a history refers to the setting of the source', async () => {
  const { message } = await failureOf(records(() => ({}), 50));
  expect(message).toContain('50 records read, 50 used, of 1 devices');
  expect(message).toContain('see source.file.historyRecords');
});

describe('a history that is all fault', () => {
  const fault = { key: '', from: 0, to: now };
  const normalLike = records((i) => ({ values: { flow: 10 + Math.sin(i) } }));

  test('trains no model where people call all of it an anomaly, and names the labels', async () => {
    const { message } = await failureOf(normalLike, sensor, {}, { labels: [{ ...fault, label: 'anomaly' }] });
    expect(message).toContain('600 records read, 600 used, of 1 devices');
    expect(message).toContain(
      '600 left out: near an event, with the label `anomaly` (training.labels), or beyond a limit',
    );
  });

  test('and so does one beyond its limits', async () => {
    const yaml = sensor.replace(
      'channels: [flow]',
      'channels: [flow], signals: { flow: { limits: { max: 5 } } }',
    );
    const { message } = await failureOf(normalLike, yaml);
    expect(message).toContain('600 left out');
  });
});

test('an empty file and an empty topic are named', async () => {
  expect((await failureOf([])).message).toContain('the history has no records: in.ndjson contains none');
  const kafka = `detector: pump
source: { kind: kafka, kafka: { brokers: [b:9092], topic: plant.sensors } }
record: { channels: [flow] }
sinks: { kafka: { deadLetterTopic: dead } }
`;
  expect((await failureOf([], kafka)).message).toContain('plant.sensors contains none in the last ');
});

test('images above record.maxBytes are counted, too', async () => {
  const images = `detector: cam
preset: image
source: { kind: file, file: { path: frames } }
record: { kind: image, image: { width: 8, height: 8 } }
`;
  const { message } = await failureOf(
    Array.from({ length: 110 }, () => Buffer.alloc(500_000)),
    images,
    {
      'record.maxBytes': '262144',
    },
  );
  expect(message).toContain('110 records read, 0 used');
  expect(message).toMatch(/110 too_large \(.*262144.*; see record.maxBytes\)/);
  expect(message).not.toContain('window.length');
});

describe('a cold start', () => {
  beforeAll(async () => {
    await openTestBackend('wasm');
  });

  const hourly = `detector: pump
source: { kind: file, file: { path: in.ndjson } }
record:
  channels: [flow, power]
  conditions:
    mode: { kind: category }
    hour: { kind: hour-of-day }
model: { kind: hvae, likelihood: student-t }
calibration: { groupBy: mode }
`;

  async function trainOn(count: number) {
    const path = await writeFolder({ 'detector.yaml': hourly });
    const { detectors } = await loadSettings(`${path}/detector.yaml`, { env: {} });
    const { settings } = detectors[0]!;
    const random = createRandom(1);
    const values = records(() => {
      const flow = random.normal();
      return { values: { flow, power: flow + 0.3 * random.normal() }, conditions: { mode: 'idle' } };
    }, count);
    const { files } = await trained({ settings, readHistory: historyOf(values), coldStart: true });
    return { settings, files };
  }

  test('is a version that the configured settings accept, whatever kind of model they ask for', async () => {
    const { settings, files } = await trainOn(110);
    const detector = await decodeBundle('v1', files, createCategoryTable());
    const { spec, settingsFingerprint: fingerprint, conditions, calibration } = detector.state;
    expect(spec).toMatchObject({ kind: 'linear', likelihood: 'gaussian', latentDim: 8 });
    expect(fingerprint).toBe(settingsFingerprint(settings));
    // A few minutes have no hours to learn from.
    expect(conditions.specs.map(({ name }) => name)).toEqual(['mode']);
    expect(calibration.tail.scores.length).toBeGreaterThan(30);
    expect(isColdStart(spec, settings)).toBe(true);
    expect(isColdStart(spec, { model: { ...settings.model, kind: 'linear' } })).toBe(false);
    detector.dispose();
  }, 30_000);

  test('reports how many records it has and how many it needs', async () => {
    await expect(trainOn(99)).rejects.toMatchObject({
      reason: 'too_few_records',
      message: expect.stringContaining(
        '99 records to learn from, but a cold start needs 100; 99 records read, 99 used, of 1 devices',
      ) as string,
    });
  });
});

describe('images', () => {
  beforeAll(async () => {
    await openTestBackend('wasm');
  });

  const side = 20;

  /** A version of images whose pixels are `pixel(image, place)`. */
  async function trainOn(
    pixel: (i: number, at: number) => number,
    changes: Record<string, string> = {},
    backbonePath?: string,
  ) {
    const camera = `detector: cam
preset: image
source: { kind: file, file: { path: frames } }
record: { kind: image, image: { width: ${side}, height: ${side}, format: raw } }
training: { epochs: 2 }
`;
    const path = await writeFolder({ 'detector.yaml': camera });
    const { detectors } = await loadSettings(`${path}/detector.yaml`, { env: {}, overrides: changes });
    const images = Array.from({ length: 120 }, (_, i) =>
      Buffer.from(Array.from({ length: side * side }, (__, at) => pixel(i, at))),
    );
    const { report, files } = await trained({
      settings: detectors[0]!.settings,
      readHistory: historyOf(images, Buffer.from('cam')),
      ...(backbonePath !== undefined && { backbonePath }),
    });
    const detector = await decodeBundle('v1', files, createCategoryTable());
    const { spec, calibration } = detector.state;
    detector.dispose();
    return { spec, report, evidence: Object.keys(calibration.evidence) };
  }

  /** A bright bar at one of some places, on noise. */
  const bars = (i: number, at: number): number =>
    at % side === 4 + (i % 7) ? 200 : Math.floor(20 * Math.abs(Math.sin(i + 7 * at)));

  test('are read by the backbone if it is configured, cell by cell', async () => {
    const { spec, report, evidence } = await trainOn(bars, { 'model.features': 'backbone' });
    expect(spec).toMatchObject({ features: 'backbone', patches: true, oddness: 'relative' });
    expect(evidence).toEqual(['patch', 'bank']);
    expect(report.settings.calibration.statistics).toEqual(evidence);
    expect(report.featuresProblem).toBeUndefined();
  }, 60_000);

  test.each([
    ['missing', 'nowhere', undefined, /ENOENT.*nowhere/],
    ['damaged', 'cut', 'not the weights', /cut is damaged: its SHA-256 is/],
  ])(
    'are read as gradients if the file of the backbone is %s, and the report has the reason',
    async (_, name, content, reason) => {
      const folder = await writeFolder(content === undefined ? {} : { [name]: content });
      const { spec, report, evidence } = await trainOn(
        bars,
        { 'model.features': 'backbone' },
        join(folder, name),
      );
      expect(spec).toMatchObject({ features: 'gradients' });
      expect(evidence).toEqual(['patch', 'channel', 'bank']);
      expect(report.featuresProblem).toMatch(reason);
    },
    60_000,
  );

  test('of one colour, or all alike, still give a version that finds another image', async () => {
    for (const pixel of [() => 90, (_: number, at: number) => at % 256])
      expect((await trainOn(pixel)).spec.features).toBe('gradients');
  }, 60_000);
});
