/**
 * What `docker compose -f deploy/compose.yaml up` starts, part by part and without containers: the commands, files and variables of
 * the services, with addresses of this machine. Grafana is left out: prometheus.test.ts runs the queries of its dashboards.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { hasAlertmanager, startAlertmanager, type AlertmanagerServer } from '../alertmanager-server';
import { newFolder, removeFolders } from '../plant';
import { hasPrometheus, startPrometheus, type PrometheusServer } from '../prometheus-server';
import { endAllVaemon, startVaemon } from '../vaemon-process';
import { startBroker, until, type TestBroker } from './broker';

jest.setTimeout(600_000);

const root = path.join(__dirname, '../../..');
const { services } = parse(readFileSync(path.join(root, 'deploy/compose.yaml'), 'utf8')) as {
  services: Record<string, { entrypoint: string[]; command: string[] }>;
};

let broker: TestBroker;
let producer: ChildProcess | undefined;
let prometheus: PrometheusServer | undefined;
let alertmanager: AlertmanagerServer | undefined;

beforeAll(async () => {
  broker = await startBroker();
});

afterAll(async () => {
  producer?.kill('SIGKILL');
  await endAllVaemon();
  await prometheus?.stop();
  await alertmanager?.stop();
  await broker.remove();
  await removeFolders();
});

/** Ends with the output of the process, and rejects if it fails. */
function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env: { ...process.env, ...env } });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text: Buffer) => (output += text.toString()));
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve(output) : reject(new Error(`exit ${code}: ${output}`)),
    );
  });
}

/** A stand-in for the script of Kafka, which is not among the jars: creates a topic by the options that the service uses. */
const kafkaTopics = `#!/usr/bin/env node
const { parseArgs } = require('node:util');
const { Kafka, logLevel } = require('${root}/node_modules/kafkajs');
const [text, flag] = [{ type: 'string' }, { type: 'boolean' }];
const { values } = parseArgs({
  options: { 'bootstrap-server': text, create: flag, 'if-not-exists': flag, topic: text, partitions: text, config: { ...text, multiple: true } },
});
const admin = new Kafka({ brokers: [values['bootstrap-server']], logLevel: logLevel.NOTHING }).admin();
const configEntries = values.config.map((one) => ({ name: one.split('=')[0], value: one.split('=')[1] }));
admin.connect()
  .then(() => admin.createTopics({ topics: [{ topic: values.topic, numPartitions: Number(values.partitions), configEntries }] }))
  .then(() => admin.disconnect());
`;

test('topics, a producer, vaemon, Prometheus and Alertmanager: a fault of the recording becomes an event', async () => {
  const folder = await newFolder();
  const tool = path.join(folder, 'kafka-topics.sh');
  await writeFile(tool, kafkaTopics);
  await chmod(tool, 0o755);

  const [shell, ...options] = services['topics']!.entrypoint;
  const script = services['topics']!.command[0]!.replaceAll('/opt/kafka/bin/kafka-topics.sh', tool)
    .replaceAll('kafka:9092', broker.bootstrap)
    .replaceAll('$$', '$');
  await run(shell!, [...options, script], {});

  const [command, config] = services['vaemon']!.command;
  const daemon = startVaemon(
    [command!],
    path.join(root, config!),
    { 'store.path': path.join(folder, 'models') },
    { VAEMON_KAFKA_BROKERS: broker.bootstrap },
  );

  const [node, file] = services['producer']!.entrypoint;
  let produced = '';
  producer = spawn(node!, [path.join(root, 'deploy', file!)], {
    cwd: root,
    env: { ...process.env, KAFKA_BROKERS: broker.bootstrap },
  });
  for (const stream of [producer.stdout!, producer.stderr!])
    stream.on('data', (text: Buffer) => (produced += text.toString()));
  await until(
    'the hour without faults',
    () => {
      if (producer!.exitCode !== null) throw new Error(produced);
      return produced.includes('sent an hour without faults: 3600 records');
    },
    60_000,
  );

  await daemon.ready(120_000);
  await until('an event', () => daemon.log('event opened').length > 0, 300_000);
  const [event] = daemon.log('event opened');
  expect(event).toMatchObject({ detector: 'host', key: 'host-1', why: expect.any(String) });
  await until('its detections', async () => (await broker.read('host.detections')).length > 0, 120_000);
  expect(await daemon.metric('vaemon_records_rejected_total')).toBe(0);

  if (!hasPrometheus() || !hasAlertmanager()) return;
  alertmanager = await startAlertmanager();
  prometheus = await startPrometheus(
    new URL(String(daemon.log('web server listens')[0]!['url'])).host,
    alertmanager.address,
  );
  await until(
    'a scrape',
    async () => (await prometheus!.query('vaemon_records_scored_total{detector="host"} > 0')).length > 0,
    60_000,
  );
  await until(
    'Alertmanager to be known',
    async () => {
      const { activeAlertmanagers } = await prometheus!.api<{ activeAlertmanagers: unknown[] }>(
        'alertmanagers',
      );
      return activeAlertmanagers.length === 1;
    },
    60_000,
  );
});
