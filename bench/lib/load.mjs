/** Produces records at a steady rate, each with the time at which it was produced: `load.mjs SETTINGS.json`; says how many it sent. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as wait } from 'node:timers/promises';
import { createMachines, toBinary, toJson } from './machines.mjs';

const require = createRequire(import.meta.url);
require('../../dist/kafka/patches/patches').applyPatches();
const { Kafka, logLevel, Partitioners } = require('kafkajs');
const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const { bootstrap, topic, perSecond, seconds, machines, partitions, format, faultEvery } = settings;

const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING });
const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
await producer.connect();
const machine = createMachines({ seed: 7, faultEvery });
const encode = format === 'binary' ? toBinary : toJson;
/** Sent that often: a machine's clock has moved on in between, since no two of its records may have one time. */
const tickMs = 10;
const begun = Date.now();
let sent = 0;
while (Date.now() - begun < seconds * 1000) {
  const now = Date.now();
  // One record of a machine has one time, so as many at once as there are machines.
  const due = Math.min(machines, Math.floor(((now - begun) * perSecond) / 1000) - sent);
  if (due > 0) {
    const byPartition = Array.from({ length: partitions }, () => []);
    for (let i = 0; i < due; i++, sent++) {
      const k = sent % machines;
      const record = machine(k, Math.floor(sent / machines));
      byPartition[k % partitions].push({
        key: record.key,
        partition: k % partitions,
        value: encode(record, now),
      });
    }
    await producer.send({ topic, messages: byPartition.flat(), acks: 1 });
  }
  await wait(Math.max(0, tickMs - (Date.now() - now)));
}
await producer.disconnect();
process.stdout.write(`${JSON.stringify({ sent, seconds: (Date.now() - begun) / 1000 })}\n`);
