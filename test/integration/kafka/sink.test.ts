import type { KafkaMessage } from 'kafkajs';
import type { Detection } from '../../../src/domain/detection';
import type { AnomalyEvent } from '../../../src/domain/event';
import { createKafkaSink } from '../../../src/sinks/kafka/kafka';
import type { KafkaSinkOptions } from '../../../src/sinks/kafka/kafka';
import type { DeadLetter, Sink, DetectionBatch } from '../../../src/sinks/sink';
import { startBroker } from './broker';
import type { TestBroker } from './broker';

jest.setTimeout(240_000);

let broker: TestBroker;
const open: Sink[] = [];

beforeAll(async () => {
  broker = await startBroker();
}, 180_000);
afterEach(async () => {
  await Promise.all(open.splice(0).map((sink) => sink.close()));
});
afterAll(() => broker.remove());

const origin = { topic: 'sensors', partition: 3, offset: '9007199254740993' };
const detection: Detection = {
  detector: 'pump',
  key: 'pump-3',
  timestamp: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  origin,
  surprise: 4.5,
  threshold: 3,
  targetThreshold: 3,
  anomalous: true,
  extrapolated: true,
  limits: [],
  statistics: { reconstruction: 12.5, latent: 3 },
  contributions: [
    { channel: 'pressure', contribution: 9, actual: 1.5, expected: 7.25, surprise: 3, repeats: 0 },
  ],
  modelVersion: 'v7',
};
const event: AnomalyEvent = {
  id: 'pump/pump-3/1',
  detector: 'pump',
  key: 'pump-3',
  kind: 'anomaly' as const,
  status: 'open',
  start: 1_000,
  openedAt: 1_500,
  end: 2_000,
  anomalousRecords: 2,
  peakSurprise: 4.5,
  peakAt: 2_000,
  threshold: 3,
  contributions: detection.contributions.map((one) => ({ ...one, at: detection.timestamp, records: 1 })),
  limits: [],
  modelVersion: 'v7',
};
const letter: DeadLetter = {
  detector: 'pump',
  reason: 'not_json',
  message: 'is not JSON: unexpected "ÿ"',
  origin,
  key: Buffer.from([0, 255, 1]),
  value: Buffer.from([123, 255, 0, 10]),
};
const nothing: DetectionBatch = { detections: [], events: [], deadLetters: [] };

async function openSink(options: Partial<KafkaSinkOptions> & { config?: Record<string, string> } = {}) {
  const detectionsTopic = await broker.createTopic({ config: options.config ?? {} });
  const deadLetterTopic = await broker.createTopic({ config: options.config ?? {} });
  const sink = createKafkaSink({
    kafka: broker.client(),
    settings: { detectionsTopic, deadLetterTopic, emit: 'all' },
    ...options,
  });
  open.push(sink);
  return { sink, detectionsTopic, deadLetterTopic };
}

/** All messages of a one-partition topic, with headers as text. */
async function contentOf(topic: string) {
  const consumer = broker.client().consumer({
    groupId: `reader-of-${topic}`,
    maxWaitTimeInMs: 100,
    retry: { restartOnFailure: () => Promise.resolve(false) },
  });
  const admin = broker.client().admin();
  await Promise.all([admin.connect(), consumer.connect()]);
  const [offsets] = await admin.fetchTopicOffsets(topic);
  const messages: KafkaMessage[] = [];
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await new Promise<void>((resolve) => {
    if (offsets!.high === '0') resolve();
    void consumer.run({
      eachMessage({ message }) {
        messages.push(message);
        if (messages.length === Number(offsets!.high)) resolve();
        return Promise.resolve();
      },
    });
  });
  await Promise.all([admin.disconnect(), consumer.disconnect()]);
  return messages.map(({ key, value, headers }) => ({
    key,
    value,
    headers: Object.fromEntries(Object.entries(headers ?? {}).map(([name, text]) => [name, String(text)])),
  }));
}

test('a detection and an event arrive as JSON with the key of their record and a type header', async () => {
  const { sink, detectionsTopic, deadLetterTopic } = await openSink();
  await sink.write({ ...nothing, detections: [detection], events: [event] });
  const [first, second, ...more] = await contentOf(detectionsTopic);
  expect(more).toEqual([]);
  expect(first!.key!.toString()).toBe('pump-3');
  expect(first!.headers).toEqual({ type: 'detection', detector: 'pump' });
  expect(JSON.parse(first!.value!.toString())).toEqual({
    detector: 'pump',
    key: 'pump-3',
    timestamp: '2026-01-02T03:04:05.678Z',
    timestampMs: 1767323045678,
    surprise: 4.5,
    threshold: 3,
    targetThreshold: 3,
    anomalous: true,
    extrapolated: true,
    limits: [],
    statistics: { reconstruction: 12.5, latent: 3 },
    contributions: [
      { channel: 'pressure', contribution: 9, actual: 1.5, expected: 7.25, surprise: 3, repeats: 0 },
    ],
    modelVersion: 'v7',
    source: { topic: 'sensors', partition: 3, offset: '9007199254740993' },
  });
  expect(second!.headers).toEqual({ type: 'event', detector: 'pump' });
  expect(JSON.parse(second!.value!.toString())).toMatchObject({
    id: 'pump/pump-3/1',
    status: 'open',
    start: '1970-01-01T00:00:01.000Z',
    startMs: 1_000,
    openedAtMs: 1_500,
    peakAtMs: 2_000,
  });
  expect(await contentOf(deadLetterTopic)).toEqual([]);
});

test('a dead letter has the bytes of its record, and the reason and origin in its headers', async () => {
  const { sink, deadLetterTopic } = await openSink();
  const bare = { ...letter, reason: 'empty' as const, message: 'has no value', key: null, value: null };
  await sink.write({ ...nothing, deadLetters: [letter, bare] });
  const [first, second] = await contentOf(deadLetterTopic);
  expect(first).toEqual({
    key: letter.key,
    value: letter.value,
    headers: {
      type: 'dead-letter',
      detector: 'pump',
      reason: 'not_json',
      message: 'is not JSON: unexpected "ÿ"',
      'source-topic': 'sensors',
      'source-partition': '3',
      'source-offset': '9007199254740993',
    },
  });
  expect(second).toMatchObject({ key: null, value: null, headers: { reason: 'empty' } });
});

test('writes only anomalous detections on request', async () => {
  const { sink, detectionsTopic, deadLetterTopic } = await openSink();
  await sink.close();
  const anomalies = createKafkaSink({
    kafka: broker.client(),
    settings: { detectionsTopic, deadLetterTopic, emit: 'anomalies' },
  });
  open.push(anomalies);
  await anomalies.write({
    ...nothing,
    detections: [{ ...detection, anomalous: false, key: 'calm' }, detection],
  });
  expect((await contentOf(detectionsTopic)).map(({ key }) => key!.toString())).toEqual(['pump-3']);
});

test('messages above the limit of a request are divided in order', async () => {
  const { sink, detectionsTopic } = await openSink({
    config: { 'max.message.bytes': '100000' },
    maxRequestBytes: 50_000,
  });
  const detections = Array.from({ length: 1_000 }, (_, i) => ({ ...detection, surprise: i }));
  await sink.write({ ...nothing, detections });
  const content = await contentOf(detectionsTopic);
  expect(content.map(({ value }) => (JSON.parse(value!.toString()) as Detection).surprise)).toEqual(
    detections.map(({ surprise }) => surprise),
  );
});

test('a request that the broker refuses for its size is halved until it is accepted', async () => {
  const { sink, detectionsTopic } = await openSink({ config: { 'max.message.bytes': '10000' } });
  await sink.write({ ...nothing, detections: Array.from({ length: 100 }, () => detection) });
  expect(await contentOf(detectionsTopic)).toHaveLength(100);
});

test('a dead letter that the broker refuses is cut and marked', async () => {
  const { sink, deadLetterTopic } = await openSink();
  const value = Buffer.alloc(3_000_000, 'x');
  await sink.write({ ...nothing, deadLetters: [{ ...letter, value }, letter] });
  const [first, second] = await contentOf(deadLetterTopic);
  expect(first!.value!.length).toBe(900_000);
  expect(first!.headers).toMatchObject({ truncated: 'true', 'original-bytes': '3000000' });
  expect(second!.value).toEqual(letter.value);
  expect(second!.headers).not.toHaveProperty('truncated');
});

test('a dead letter is cut further for a smaller limit of the topic, and the sink keeps the limit', async () => {
  const { sink, deadLetterTopic } = await openSink({ config: { 'max.message.bytes': '30000' } });
  const value = Buffer.alloc(200_000, 'x');
  await sink.write({ ...nothing, deadLetters: [{ ...letter, value }] });
  await sink.write({ ...nothing, deadLetters: [{ ...letter, value }] });
  const content = await contentOf(deadLetterTopic);
  expect(content.map(({ value: kept }) => kept!.length)).toEqual([25_000, 25_000]);
  expect(content[0]!.headers).toMatchObject({ truncated: 'true', 'original-bytes': '200000' });
});

test('a write rejects during an outage of the broker, and the next one after it arrives', async () => {
  const { sink, detectionsTopic } = await openSink();
  await sink.write({ ...nothing, detections: [detection] });
  await broker.stop();
  await expect(sink.write({ ...nothing, detections: [{ ...detection, key: 'away' }] })).rejects.toThrow();
  await broker.start();
  await sink.write({ ...nothing, detections: [{ ...detection, key: 'back' }] });
  expect((await contentOf(detectionsTopic)).map(({ key }) => key!.toString())).toEqual(['pump-3', 'back']);
});

test('a second close does nothing, and a closed sink rejects writes', async () => {
  const { sink } = await openSink();
  await sink.write({ ...nothing, detections: [detection] });
  await sink.close();
  await sink.close();
  await expect(sink.write(nothing)).rejects.toThrow('the Kafka sink is closed');
});
