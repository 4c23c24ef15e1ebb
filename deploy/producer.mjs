/**
 * Writes the recording of the demo to a Kafka topic, as if the machine reported now. A topic without messages first gets the hour
 * without faults, dated two hours ago, at once; then the hour with faults, dated an hour ago, at sixty times the speed. From then on
 * there is one record a second, of the hour with faults again and again.
 *
 * Environment: KAFKA_BROKERS (kafka:9092), KAFKA_TOPIC (host.metrics). Working directory: the folder that contains data/host.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import kafkajs from 'kafkajs';

const brokers = (process.env.KAFKA_BROKERS ?? 'kafka:9092').split(',');
const topic = process.env.KAFKA_TOPIC ?? 'host.metrics';
const speed = 60;
const stepMs = 1000;
const tickMs = 100;
/** Records of the hour without faults. */
const normalRecords = 3600;

const kafka = new kafkajs.Kafka({ brokers, clientId: 'demo', retry: { retries: 20 } });
const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });

/** Values and mode of each record, without its time. */
function readRecording() {
  const [header, ...lines] = gunzipSync(readFileSync('data/host/host.csv.gz'))
    .toString()
    .trimEnd()
    .split('\n');
  const [, , , ...channels] = header.split(',');
  return lines.map((line) => {
    const [, key, mode, ...values] = line.split(',');
    return {
      key,
      conditions: { mode },
      values: Object.fromEntries(channels.map((name, i) => [name, Number(values[i])])),
    };
  });
}

/** @param time Unix ms */
function toMessage(record, time) {
  const value = JSON.stringify({ ...record, timestamp: new Date(time).toISOString() });
  return { key: record.key, value, timestamp: String(Math.round(time)) };
}

async function isEmpty() {
  const admin = kafka.admin();
  await admin.connect();
  const partitions = await admin.fetchTopicOffsets(topic);
  await admin.disconnect();
  return partitions.every(({ high }) => high === '0');
}

async function send(messages) {
  for (let start = 0; start < messages.length; start += 500)
    await producer.send({ topic, messages: messages.slice(start, start + 500) });
}

for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(0));
const recording = readRecording();
const [normal, faulty] = [recording.slice(0, normalRecords), recording.slice(normalRecords)];
await producer.connect();
const begun = Date.now();
/** Records that are sent faster than the clock. */
const early = (await isEmpty()) ? faulty.length : 0;
/** Time of the first record of the faulty hour: record `early` has the time at which it is sent. */
const first = begun - early * (stepMs - stepMs / speed);
if (early > 0) {
  await send(normal.map((record, i) => toMessage(record, first - (normal.length - i) * stepMs)));
  console.log(`sent an hour without faults: ${normal.length} records`);
}
for (let sent = 0; ;) {
  const passed = Date.now() - begun;
  const due =
    passed * speed < early * stepMs
      ? (passed * speed) / stepMs
      : early + (passed - (early * stepMs) / speed) / stepMs;
  const messages = [];
  for (; sent < due; sent++) messages.push(toMessage(faulty[sent % faulty.length], first + sent * stepMs));
  await send(messages);
  if (sent >= early && sent - messages.length < early)
    console.log('sent an hour with faults; now a record a second');
  await wait(tickMs);
}
