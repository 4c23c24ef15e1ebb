#!/usr/bin/env node
/**
 * What delivery costs: one daemon reads a topic of a real broker from its beginning to its end, once for each kind of
 * delivery, of verdicts and of batches. Prints a markdown table: records a second, CPU time a record, transactions.
 *
 *   npm run bench:delivery -- [--records 200000] [--partitions 4] [--devices 100]
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const kafkaScripts = join(root, 'test/integration/kafka');
const { Kafka, logLevel, Partitioners } = createRequire(import.meta.url)('kafkajs');

const { values: options } = parseArgs({
  options: {
    records: { type: 'string', default: '200000' },
    partitions: { type: 'string', default: '4' },
    devices: { type: 'string', default: '100' },
  },
});
const records = Number(options.records);
const partitions = Number(options.partitions);
const devices = Number(options.devices);

const folder = mkdtempSync(join(tmpdir(), 'vaemon-bench-'));
const bootstrap = execFileSync(join(kafkaScripts, 'kafka-up.sh'), [join(folder, 'broker')], {
  encoding: 'utf8',
})
  .trim()
  .replace('KAFKA_BOOTSTRAP=', '');
const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING });
const admin = kafka.admin();
try {
  await admin.connect();
  await prepare();
  const rows = [];
  for (const emit of ['anomalies', 'all'])
    for (const [delivery, batch] of [
      ['at-least-once', 1000],
      ['at-least-once', 4000],
      ['exactly-once', 500],
      ['exactly-once', 1000],
      ['exactly-once', 4000],
    ])
      rows.push(await measure(emit, delivery, batch));
  print(rows);
} finally {
  await admin.disconnect();
  execFileSync(join(kafkaScripts, 'kafka-down.sh'), [join(folder, 'broker'), '--kill', '--wipe']);
  rmSync(folder, { recursive: true, force: true });
}

async function createTopic(topic, numPartitions) {
  await admin.createTopics({ topics: [{ topic, numPartitions }] });
}

/** A topic of records, and a model for them. */
async function prepare() {
  await createTopic('records', partitions);
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const start = Date.now() - 1000 * Math.ceil(records / devices) - 60_000;
  for (let from = 0; from < records; from += 2000) {
    const messages = Array.from({ length: Math.min(2000, records - from) }, (_, i) => {
      const n = from + i;
      const device = n % devices;
      const t = Math.floor(n / devices);
      const noise = () => 0.1 * (Math.random() + Math.random() - 1);
      const load = 3 + Math.sin(t / 7 + device) + noise();
      const values = { load, current: 2 * load + noise(), temperature: 40 + 3 * load + noise() };
      return {
        key: `device-${device}`,
        partition: device % partitions,
        value: JSON.stringify({ key: `device-${device}`, timestamp: start + 1000 * t, values }),
      };
    });
    await producer.send({ topic: 'records', messages });
  }
  await producer.disconnect();
  mkdirSync(join(folder, 'config/detectors'), { recursive: true });
  writeFileSync(
    join(folder, 'config/detectors/bench.yaml'),
    `detector: bench
source: { kind: kafka, kafka: { brokers: ['${bootstrap}'], topic: records, startFrom: earliest } }
record: { channels: [load, current, temperature] }
window: { length: 8 }
training: { schedule: '', maxRecords: 20000, epochs: 4 }
sinks: { log: { enabled: false }, kafka: { deadLetterTopic: dead } }
`,
  );
  await createTopic('dead', 1);
  console.error('training');
  vaemon('train', []);
}

function vaemon(command, settings) {
  execFileSync(process.execPath, [join(root, 'dist/main.js'), ...argumentsOf(command, settings)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

function argumentsOf(command, settings) {
  const all = [`store.path=${join(folder, 'store')}`, 'http.port=0', 'log.format=json', ...settings];
  return [command, join(folder, 'config'), ...all.map((one) => `--set=${one}`)];
}

async function measure(emit, delivery, batch) {
  const name = `${delivery}-${emit}-${batch}`;
  console.error(name);
  await createTopic(name, 2);
  const settings = [
    `delivery=${delivery}`,
    `source.kafka.groupId=${name}`,
    `source.kafka.maxBatchRecords=${batch}`,
    'sinks.kafka.enabled=true',
    `sinks.kafka.emit=${emit}`,
    `sinks.kafka.detectionsTopic=${name}`,
  ];
  const daemon = spawn(process.execPath, [join(root, 'dist/main.js'), ...argumentsOf('run', settings)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    let log = '';
    daemon.stdout.setEncoding('utf8').on('data', (text) => (log += text));
    const url = await until(() => /"url":"([^"]+)"/.exec(log)?.[1]);
    const metric = async (metricName) => {
      const text = await (await fetch(`${url}/metrics`)).text();
      return text
        .split('\n')
        .filter((line) => line.startsWith(`${metricName}{`) || line.startsWith(`${metricName} `))
        .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    };
    const consumed = () => metric('vaemon_records_consumed_total');
    await until(async () => (await consumed()) > 0);
    const [from, cpu, began] = [
      await consumed(),
      await metric('process_cpu_seconds_total'),
      performance.now(),
    ];
    await until(async () => (await consumed()) >= records);
    const seconds = (performance.now() - began) / 1000;
    const count = records - from;
    const cpuSeconds = (await metric('process_cpu_seconds_total')) - cpu;
    return {
      delivery,
      emit,
      batch,
      rate: count / seconds,
      micros: (1e6 * cpuSeconds) / count,
      transactions: await metric('vaemon_transactions_total'),
    };
  } finally {
    daemon.kill('SIGKILL');
    await until(() => daemon.exitCode !== null || daemon.signalCode !== null);
  }
}

async function until(condition) {
  for (;;) {
    const result = await condition();
    if (result) return result;
    await wait(20);
  }
}

function print(rows) {
  console.log('| delivery | verdicts | records a batch | records/s | CPU µs a record | transactions |');
  console.log('|---|---|---|---|---|---|');
  for (const { delivery, emit, batch, rate, micros, transactions } of rows) {
    const cells = [delivery, emit, batch, Math.round(rate), micros.toFixed(1), transactions || '–'];
    console.log(`| ${cells.join(' | ')} |`);
  }
}
