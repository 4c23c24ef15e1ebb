/** `vaemon init` on topics: what it writes passes `config check`; topics from which nothing can be proposed are named. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Type } from 'avsc';
import type { Message } from 'kafkajs';
import { parse } from 'yaml';
import { runCli } from '../../../src/cli/cli';
import { captureContext } from '../../cli/capture';
import { removeFolders, writeFolder } from '../../config/folder';
import { debezium, interleaved, pumps, t0, telegraf } from '../../offline/init/samples';
import { startBroker, type TestBroker } from './broker';

jest.setTimeout(240_000);

let broker: TestBroker;
beforeAll(async () => {
  broker = await startBroker();
}, 180_000);
afterAll(async () => {
  await removeFolders();
  await broker.remove();
});

async function init(topic: string, ...options: string[]) {
  const out = join(await writeFolder({}), 'out.yaml');
  const captured = captureContext();
  const argv = ['init', '--brokers', broker.bootstrap, '--topic', topic, '--out', out, '--yes', ...options];
  await runCli(argv, captured.context);
  const text = existsSync(out) ? await readFile(out, 'utf8') : undefined;
  if (text !== undefined) {
    const check = captureContext();
    await runCli(['config', 'check', out], check.context);
    expect(check.stderr()).toBe('');
  }
  const document = text === undefined ? undefined : (parse(text) as Record<string, Record<string, unknown>>);
  return {
    text: text ?? '',
    document,
    report: captured.stdout(),
    err: captured.stderr(),
    code: captured.exitCode(),
  };
}

async function topicOf(
  messages: Message[],
  config: Record<string, string> = {},
  partitions = 3,
): Promise<string> {
  const topic = await broker.createTopic({ partitions, config });
  for (let from = 0; from < messages.length; from += 500)
    await broker.produce(topic, messages.slice(from, from + 500));
  return topic;
}

const json = (records: readonly object[], keyOf: (record: never) => string | null = () => null): Message[] =>
  records.map((record) => ({ key: keyOf(record as never), value: JSON.stringify(record) }));

test('nested JSON becomes a detector with prices and its topics', async () => {
  const topic = await topicOf(json(pumps(300), ({ device }: { device: { id: string } }) => device.id));
  const { document, report, code, err } = await init(topic);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(report).toMatch(/1\. 0\.005 +1 per day +\d/);
  expect(report).toContain(`--create-topics   # creates ${topic}.detections, ${topic}.dead-letters\n`);
  expect(document).toMatchObject({
    source: { kind: 'kafka', kafka: { brokers: [broker.bootstrap], topic } },
    fields: { key: 'device.id', timestamp: 'ts', values: 'm', conditions: 'state' },
    record: { channels: ['flow', 'temp_c', 'energy_kwh'] },
    sinks: { kafka: { detectionsTopic: `${topic}.detections`, deadLetterTopic: `${topic}.dead-letters` } },
  });
});

test('the sample is from several times of a topic that is larger', async () => {
  const topic = await topicOf(json(pumps(1000), ({ device }: { device: { id: string } }) => device.id));
  const { report } = await init(topic, '--sample', '800');
  expect(report).toContain('from several times of the topic');
  const [, from, to] = /time +ts, (\S+) to (\S+)/.exec(report)!;
  // The whole topic has 500 minutes, a fifth of it 100.
  expect(Date.parse(to!) - Date.parse(from!)).toBeGreaterThan(400 * 60_000);
});

test('a topic of so many devices that a stretch has few records of each is read in one stretch', async () => {
  const records = interleaved(60, 100, (i, device, normal) => ({
    time: t0 + i * 60_000,
    device_id: `d${device}`,
    v: normal(),
    w: normal(),
  }));
  const messages = json(records, ({ device_id }: { device_id: string }) => device_id);
  const { report, document } = await init(await topicOf(messages), '--sample', '2000');
  expect(report).toContain('check      the sample is the newest part of the topic alone');
  expect(report).toContain('a record every 60 s');
  expect(document).toMatchObject({ window: { length: 4, padding: 'missing' } });
}, 60_000);

test("Telegraf's and Debezium's shapes", async () => {
  // Without keys the records of a device are in all partitions.
  const spread = json(telegraf(200)).map((message, i) => ({ ...message, partition: Math.floor(i / 3) % 3 }));
  const metrics = await init(await topicOf(spread));
  expect(metrics.text).toContain('CHECK: 100 % of the devices have records in several partitions');
  expect(metrics.document).toMatchObject({
    fields: { key: 'tags.host', timestamp: 'timestamp', values: 'fields' },
    record: { channels: ['usage_idle', 'usage_user'], extraChannels: 'ignore' },
  });
  const wrapped = debezium(200).map((payload) => ({ schema: { type: 'struct', optional: false }, payload }));
  const changes = await init(await topicOf(json(wrapped)));
  expect(changes.document).toMatchObject({
    fields: {
      key: 'payload.after.machine_id',
      timestamp: 'payload.after.measured_at',
      values: 'payload.after',
    },
    record: { channels: ['torque', 'speed'] },
  });
});

test('key and time of the messages stand in for fields', async () => {
  const values = interleaved(200, 3, (i, device, normal) => ({
    device,
    i,
    value: { v: normal(), w: normal() },
  }));
  const messages = values.map((one) => {
    const { device, i, value } = one as { device: number; i: number; value: object };
    return { key: `d${device}`, timestamp: String(t0 + i * 10_000), value: JSON.stringify(value) };
  });
  // The times of the messages are older than the usual retention.
  const { document, text, err } = await init(await topicOf(messages, { 'retention.ms': '-1' }));
  expect(err).toBe('');
  expect(document).toMatchObject({
    fields: { key: '', timestamp: '', values: '' },
    record: { channels: ['v', 'w'] },
  });
  expect(text).toContain('CHECK: no field has a time that can be read');
});

test('a compacted topic and messages of another format are reported', async () => {
  const messages = json(pumps(200), ({ device }: { device: { id: string } }) => device.id);
  const topic = await topicOf(
    [...messages, ...messages.slice(0, 40).map(({ key }) => ({ key: key!, value: 'a,b,1' }))],
    {
      'cleanup.policy': 'compact',
    },
  );
  const { report, text } = await init(topic);
  expect(report).toContain('check      the topic is compacted');
  expect(report).toContain('of the messages are in an unknown format, and are rejected');
  expect(report).toContain('rejected   40 records as not_json');
  expect(text).toContain('CHECK: the topic is compacted');
});

test.each<[string, () => Promise<string>, string]>([
  ['is empty', () => topicOf([]), 'the topic has no messages'],
  ['does not exist', () => Promise.resolve('no.such.topic'), 'does not exist'],
  [
    'has CSV lines',
    () => topicOf(Array.from({ length: 50 }, (_, i) => ({ value: `a,${i}` }))),
    'one begins with "a,',
  ],
  [
    'has tombstones',
    () => topicOf(Array.from({ length: 50 }, (_, i) => ({ key: `${i}`, value: null }))),
    'have no value',
  ],
  [
    'has nothing but nulls',
    () => topicOf(json(Array.from({ length: 50 }, () => ({ key: 'a', v: null })))),
    'no value in any record',
  ],
  [
    'names no device',
    () => topicOf(json(Array.from({ length: 200 }, (_, i) => ({ time: t0 + i, v: i / 7 })))),
    'no field names the device, and most messages have no key',
  ],
  [
    'has another key in each message',
    () =>
      topicOf(
        json(
          Array.from({ length: 200 }, (_, i) => ({ time: t0 + i, v: i / 7 })),
          ({ time }: { time: number }) => `k${time}`,
        ),
      ),
    'a key of its own',
  ],
  [
    'needs a registry',
    () => topicOf(Array.from({ length: 50 }, () => ({ value: Buffer.from('000000000102030405', 'hex') }))),
    '--registry',
  ],
])('of a topic that %s nothing is written', async (_, topicFor, message) => {
  const { code, err, text } = await init(await topicFor());
  expect({ code, err, text }).toEqual({ code: 1, err: expect.stringContaining(message) as string, text: '' });
});

describe('with a registry', () => {
  const schema = {
    type: 'record',
    name: 'Reading',
    fields: [
      { name: 'sensor', type: 'string' },
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
      { name: 'flow', type: 'double' },
      { name: 'pressure', type: ['null', 'float'] },
    ],
  };
  let server: Server;
  beforeAll(async () => {
    server = createServer((request, response) => {
      const isKnown = request.url === '/schemas/ids/7';
      response.writeHead(isKnown ? 200 : 404, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify(isKnown ? { schema: JSON.stringify(schema) } : { error_code: 40403, message: 'none' }),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => server.close());

  test('Avro records become a detector', async () => {
    const type = Type.forSchema(schema as never, { wrapUnions: false });
    const records = interleaved(150, 3, (i, device, normal) => ({
      sensor: `s${device}`,
      at: t0 + i * 1000,
      flow: 5 + normal(),
      pressure: i % 50 === 0 ? null : 2 + normal(),
    }));
    const messages = records.map((record) => ({
      value: Buffer.concat([Buffer.from('0000000007', 'hex'), type.toBuffer(record)]),
    }));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { document, err } = await init(await topicOf(messages), '--registry', url);
    expect(err).toBe('');
    expect(document).toMatchObject({
      source: { kafka: { registry: { url } } },
      fields: { key: 'sensor', timestamp: 'at', values: '' },
      record: { format: 'avro', channels: ['flow', 'pressure'], missingChannels: 'mask' },
    });
  });
});
