import { Type, type Schema } from 'avsc';
import type { RejectReason } from '../../../src/errors';
import { layoutOf } from '../../../src/codecs/binary';
import { loadEncoder } from '../../formats/document';
import { copyStore, createPump, newFolder, removeFolders, windowLength, writeConfig } from '../plant';
import type { PlantRecord } from '../plant';
import { endAllVaemon, startVaemon } from '../vaemon-process';
import type { SettingsOverrides } from '../vaemon-process';
import { startBroker, until } from './broker';
import type { TestBroker } from './broker';
import { openGate, startRegistry } from './registry';
import type { Gate, TestRegistry } from './registry';

jest.setTimeout(240_000);

const channels = ['load', 'current', 'temperature', 'vibration'];
const start = Date.now() - 3_600_000;
const pump = createPump('pump-1', { seed: 1, count: 600, start });
const live = createPump('pump-2', { seed: 2, count: 100, start: start + 600_000 });

const [user, password] = ['vaemon', 'tr0ub4dor-and-3'];
let broker: TestBroker;
let registry: TestRegistry;
let gate: Gate;
let config: string;
/** Store with one model version, trained on the records of an Avro topic. */
let trainedStore: string;

/** Encoders of each format, and bad values. */
interface Writer {
  encode(record: PlantRecord): Buffer;
  bad: readonly (readonly [RejectReason, Buffer])[];
}
let writers: Record<string, Writer>;

beforeAll(async () => {
  [broker, registry, config] = await Promise.all([startBroker(), startRegistry(), writeConfig()]);
  gate = await openGate(registry.url, user, password);
  writers = await createWriters();
  const topic = await topicOf('avro', pump);
  trainedStore = await newFolder();
  const training = startVaemon(['train'], config, await settingsOf('avro', topic, trainedStore), secrets());
  if ((await training.ended).code !== 0) throw new Error(training.stdout() + training.stderr());
}, 240_000);
afterEach(async () => {
  gate.set('open');
  await endAllVaemon();
});
afterAll(async () => {
  await gate.close();
  await Promise.all([broker.remove(), registry.remove()]);
  await removeFolders();
});

const secrets = (given = password) => ({ VAEMON_KAFKA_REGISTRY_PASSWORD: given });

function framed(id: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.writeInt32BE(id, 1);
  return Buffer.concat([header, payload]);
}

async function createWriters(): Promise<Record<string, Writer>> {
  const values = {
    type: 'record',
    name: 'Values',
    namespace: 'plant',
    // Different order, and an unknown field.
    fields: [...channels, 'humidity']
      .reverse()
      .map((name) => ({ name, type: ['null', 'double'], default: null })),
  };
  const reading = (of: unknown) => ({
    type: 'record',
    name: 'Reading',
    namespace: 'plant',
    fields: [
      { name: 'trace', type: { type: 'array', items: 'string' } },
      { name: 'values', type: of },
      { name: 'timestamp', type: { type: 'long', logicalType: 'timestamp-micros' } },
      { name: 'key', type: 'string' },
      { name: 'conditions', type: { type: 'map', values: 'string' } },
    ],
  });
  await registry.register('values', 'AVRO', values);
  const references = [{ name: 'plant.Values', subject: 'values', version: 1 }];
  const avroId = await registry.register('reading', 'AVRO', reading('plant.Values'), references);
  const protocol = Type.forSchema(reading(values) as Schema);
  const avro = (record: PlantRecord) =>
    protocol.toBuffer({
      ...record,
      trace: ['gateway', 'plant'],
      timestamp: record.timestamp * 1000,
      values: { humidity: null, ...record.values },
    });

  const jsonId = await registry.register('reading-json', 'JSON', {
    $schema: 'http://json-schema.org/draft-07/schema#',
    type: 'object',
    required: ['key', 'timestamp', 'values'],
    properties: { values: { type: 'object', additionalProperties: { type: 'number', maximum: 1e6 } } },
  });
  const json = (record: unknown) => Buffer.from(JSON.stringify(record));
  const encode = loadEncoder();
  const layout = layoutOf(channels, ['mode']);
  const binary = ({ key, timestamp, values: given, conditions }: PlantRecord) =>
    encode(
      { key, timestamp, values: channels.map((name) => given[name]!), conditions: [conditions.mode] },
      { layout, float64: true },
    );

  const [one] = live as [PlantRecord];
  return {
    json: { encode: json, bad: [['not_json', avro(one)]] },
    avro: {
      encode: (record) => framed(avroId, avro(record)),
      bad: [
        ['unknown_format', json(one)],
        ['unknown_schema', framed(999_999, avro(one))],
        ['unusable_schema', framed(jsonId, json(one))],
        ['damaged_record', framed(avroId, avro(one).subarray(0, -1))],
        ['timestamp_in_future', framed(avroId, avro({ ...one, timestamp: Date.now() + 86_400_000 }))],
        ['empty', Buffer.alloc(0)],
      ],
    },
    'json-schema': {
      encode: (record) => framed(jsonId, json(record)),
      bad: [
        ['unknown_format', json(one)],
        ['unusable_schema', framed(avroId, avro(one))],
        ['schema_mismatch', framed(jsonId, json({ ...one, values: { ...one.values, load: 2e6 } }))],
        ['not_json', framed(jsonId, Buffer.from('{"key":'))],
      ],
    },
    binary: {
      encode: binary,
      bad: [
        ['unknown_format', json(one)],
        ['damaged_record', binary(one).subarray(0, -1)],
        ['schema_mismatch', encode({ key: 'a', timestamp: 0, values: [1, 2, 3, 4] }, { layout: layout + 1 })],
      ],
    },
  };
}

/** A topic with bad values followed by these records. */
async function topicOf(format: string, records: readonly PlantRecord[]): Promise<string> {
  const topic = await broker.createTopic();
  const { encode, bad } = writers[format]!;
  await broker.produce(
    topic,
    [...bad.map(([, value]) => value), ...records.map(encode)].map((value) => ({ value })),
  );
  return topic;
}

async function settingsOf(format: string, topic: string, store: string) {
  const [detections, deadLetters] = [await broker.createTopic(), await broker.createTopic()];
  return {
    'source.kind': 'kafka',
    'source.kafka.brokers': broker.bootstrap,
    'source.kafka.topic': topic,
    'source.kafka.groupId': `group-of-${detections}`,
    'source.kafka.startFrom': 'earliest',
    'record.format': format,
    // The Avro schema has an additional field.
    'record.extraChannels': 'ignore',
    'sinks.kafka.enabled': 'true',
    'sinks.kafka.detectionsTopic': detections,
    'sinks.kafka.deadLetterTopic': deadLetters,
    'sinks.kafka.emit': 'all',
    'store.path': store,
    ...(/avro|schema/.test(format) && {
      'source.kafka.registry.url': gate.url,
      'source.kafka.registry.username': user,
    }),
  } satisfies SettingsOverrides;
}

/** Surprise of each detection by the time of its record, and the reason of each dead letter in order. */
async function outcomesOf(settings: Awaited<ReturnType<typeof settingsOf>>) {
  const detections = (await broker.read(settings['sinks.kafka.detectionsTopic']))
    .filter(({ headers }) => String(headers!['type']) === 'detection')
    .map(({ value }) => JSON.parse(String(value)) as { timestampMs: number; surprise: number });
  const letters = await broker.read(settings['sinks.kafka.deadLetterTopic']);
  return {
    surprises: detections.map(({ timestampMs, surprise }) => [timestampMs, surprise]),
    reasons: letters.map(({ headers }) => String(headers!['reason'])),
    letters: letters.map(({ value }) => value),
  };
}

const cleanExit = { code: 0, signal: null };

test('the same records get the same detections in every format, and bad ones their reasons', async () => {
  const surprises = new Map<string, unknown>();
  for (const [format, { bad }] of Object.entries(writers)) {
    const topic = await topicOf(format, live);
    const settings = await settingsOf(format, topic, await copyStore(trainedStore));
    const daemon = startVaemon(['run'], config, settings, secrets());
    await daemon.ready();
    const total = bad.length + live.length;
    await until(
      `${total} records of ${format}`,
      async () => (await daemon.metric('vaemon_records_consumed_total')) === total,
    );
    for (const [reason] of bad)
      expect([format, reason, await daemon.metric('vaemon_records_rejected_total', { reason })]).toEqual([
        format,
        reason,
        1,
      ]);
    expect(await daemon.signal('SIGTERM')).toEqual(cleanExit);
    const outcomes = await outcomesOf(settings);
    expect(outcomes.reasons).toEqual(bad.map(([reason]) => reason));
    expect(outcomes.letters).toEqual(bad.map(([, value]) => value));
    expect(outcomes.surprises).toHaveLength(live.length - (windowLength - 1));
    surprises.set(format, outcomes.surprises);
  }
  for (const format of surprises.keys())
    expect([format, surprises.get(format)]).toEqual([format, surprises.get('json')]);
});

test('an outage of the registry loses and rejects nothing, and ends by itself', async () => {
  const topic = await topicOf('avro', live);
  const settings = await settingsOf('avro', topic, await copyStore(trainedStore));
  gate.set('shut');
  const daemon = startVaemon(['run'], config, settings, secrets());
  // Repetitions are logged at debug.
  await until('it to be noticed', () => daemon.log('source error').length > 0, 60_000);
  const { status, body } = await daemon.get('/readyz');
  expect([status, body]).toEqual([503, expect.stringContaining('does not answer')]);
  expect(await daemon.get('/healthz')).toMatchObject({ status: 200 });
  expect(await daemon.metric('vaemon_records_consumed_total')).toBe(0);

  gate.set('open');
  await daemon.ready();
  const { bad } = writers['avro']!;
  await until(
    'all records',
    async () => (await daemon.metric('vaemon_records_consumed_total')) === bad.length + live.length,
  );
  expect(await daemon.signal('SIGTERM')).toEqual(cleanExit);
  const { reasons, surprises } = await outcomesOf(settings);
  expect(reasons).toEqual(bad.map(([reason]) => reason));
  expect(surprises).toHaveLength(live.length - (windowLength - 1));
});

test('a wrong password is reported, retried with growing delays, and never shown', async () => {
  const wrong = 'correct-horse-battery';
  const topic = await topicOf('json-schema', live);
  const settings = await settingsOf('json-schema', topic, await copyStore(trainedStore));
  const before = gate.requests();
  const began = Date.now();
  const daemon = startVaemon(['run'], config, settings, secrets(wrong));
  // Repetitions are logged at debug: four attempts for two schemas.
  await until('it to be retried', () => gate.requests() - before >= 8, 60_000);
  expect(daemon.log('source error')).not.toEqual([]);
  const { status, body } = await daemon.get('/readyz');
  expect([status, body]).toEqual([
    503,
    expect.stringContaining('HTTP 401: check source.kafka.registry.username'),
  ]);
  // Two schemas; 250 ms and doubling.
  expect(gate.requests() - before).toBeLessThan(8 + (Date.now() - began) / 250);
  const { body: metrics } = await daemon.get('/metrics');
  expect(await daemon.signal('SIGTERM')).toEqual(cleanExit);
  expect(daemon.stdout() + daemon.stderr() + body + metrics).not.toContain(wrong);
  expect((await outcomesOf(settings)).letters).toEqual([]);
});
