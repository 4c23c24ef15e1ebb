/** Every codec in both directions, against kcat, which has the codecs of librdkafka. */
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { DeadLetter } from '../../../src/sinks/sink';
import { createKafkaSink } from '../../../src/sinks/kafka/kafka';
import { copyStore, createPump, newFolder, removeFolders, writeConfig } from '../plant';
import { endAllVaemon, startVaemon } from '../vaemon-process';
import { startBroker, until } from './broker';
import type { TestBroker } from './broker';

jest.setTimeout(240_000);

const run = promisify(execFile);
// Counted as skipped where kcat is not installed; .ci/run installs it.
const testWithKcat = spawnSync('kcat', ['-V']).status === 0 ? test : test.skip;

let broker: TestBroker;

beforeAll(async () => {
  broker = await startBroker();
}, 180_000);
afterEach(endAllVaemon);
afterAll(async () => {
  await broker.remove();
  await removeFolders();
});

const kcat = async (...options: string[]) => (await run('kcat', ['-b', broker.bootstrap, ...options])).stdout;

/** Number of the codec with which the broker has stored the first batch of a topic. */
function storedCodec(topic: string): number {
  const log = readFileSync(path.join(broker.folder, 'data', `${topic}-0`, '00000000000000000000.log'));
  return log.readInt16BE(21) & 7;
}

/** Values that compress well. */
const values = Array.from({ length: 200 }, (_, i) =>
  JSON.stringify({ key: `pump-${i}`, flow: 12.5, pressure: 3 }),
);

const codecs = [
  ['none', 0],
  ['gzip', 1],
  ['snappy', 2],
  ['lz4', 3],
  ['zstd', 4],
] as const;

testWithKcat.each(codecs)('what kcat has packed with %s is read', async (codec, number) => {
  const topic = await broker.createTopic();
  const file = path.join(await newFolder(), 'values');
  writeFileSync(file, `${values.join('\n')}\n`);
  await kcat('-P', '-t', topic, '-p', '0', '-z', codec, '-X', 'linger.ms=1000', '-l', file);
  expect(storedCodec(topic)).toBe(number);
  expect((await broker.read(topic)).map(({ value }) => String(value))).toEqual(values);
});

testWithKcat.each(codecs)('what the sink has packed with %s is read by kcat', async (codec, number) => {
  const [detectionsTopic, deadLetterTopic] = [await broker.createTopic(), await broker.createTopic()];
  const sink = createKafkaSink({
    kafka: broker.client(),
    settings: { detectionsTopic, deadLetterTopic, emit: 'all', compression: codec },
  });
  const deadLetters = values.map((value, i): DeadLetter => ({
    detector: 'plant',
    reason: 'not_json',
    message: 'is no JSON',
    origin: { topic: 'in', partition: 0, offset: String(i) },
    key: Buffer.from(`key-${i}`),
    value: Buffer.from(value),
  }));
  await sink.write({ detections: [], events: [], deadLetters });
  await sink.close();
  expect(storedCodec(deadLetterTopic)).toBe(number);
  const read = await kcat('-C', '-t', deadLetterTopic, '-e', '-q', '-f', '%k %s %h\\n');
  const lines = read.trimEnd().split('\n');
  expect(lines.map((line) => line.split(' ').slice(0, 2))).toEqual(
    values.map((value, i) => [`key-${i}`, value]),
  );
  expect(lines.every((line) => line.includes('reason=not_json'))).toBe(true);
});

testWithKcat('a codec whose package does not load is named, and takes no other one with it', async () => {
  const config = await writeConfig();
  const hide = path.join(await newFolder(), 'hide.cjs');
  writeFileSync(
    hide,
    `const { Module } = require('node:module');
     const load = Module._load;
     Module._load = (name, ...rest) => {
       if (name === 'snappy') throw new Error('no binary for this platform');
       return load(name, ...rest);
     };`,
  );
  const file = path.join(await newFolder(), 'records');
  const records = createPump('pump-1', { seed: 1, count: 500, start: Date.now() - 3_600_000 });
  writeFileSync(file, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  const settings = async (codec: string) => {
    const topic = await broker.createTopic();
    await kcat('-P', '-t', topic, '-z', codec, '-l', file);
    return {
      'source.kind': 'kafka',
      'source.kafka.brokers': broker.bootstrap,
      'source.kafka.topic': topic,
      'source.kafka.groupId': `group-of-${topic}`,
      'source.kafka.startFrom': 'earliest',
      'sinks.kafka.deadLetterTopic': await broker.createTopic(),
      'store.path': await newFolder(),
    };
  };
  const hidden = { NODE_OPTIONS: `--require=${hide}` };
  const gzip = await settings('gzip');
  const good = startVaemon(['run'], config, gzip, hidden);
  await good.ready();
  await until('all records', async () => (await good.metric('vaemon_records_consumed_total')) === 500);
  expect(await good.signal('SIGTERM')).toEqual({ code: 0, signal: null });

  const snappy = { ...(await settings('snappy')), 'store.path': await copyStore(gzip['store.path']) };
  const bad = startVaemon(['run'], config, snappy, hidden);
  await until('it to be noticed', () => bad.log('source error').length > 0, 30_000);
  const { status, body } = await bad.get('/readyz');
  expect([status, body]).toEqual([503, expect.stringContaining('package snappy cannot be loaded')]);
  expect(await bad.signal('SIGTERM')).toEqual({ code: 0, signal: null });
});
