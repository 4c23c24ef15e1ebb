/** Real Kafka brokers for tests. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Partitioners } from 'kafkajs';
import type { Kafka, KafkaMessage, Message } from 'kafkajs';
import { createKafkaClient } from '../../../src/kafka/client';

/** A message with its partition. Its fields may be getters, which a spread does not copy. */
export function atPartition(message: KafkaMessage, partition: number): KafkaMessage & { partition: number } {
  const { key, value, timestamp, attributes, offset, headers } = message;
  return { key, value, timestamp, attributes, offset, headers, partition } as KafkaMessage & {
    partition: number;
  };
}

const script = promisify(execFile);

type Listener = 'BOOTSTRAP' | 'SSL' | 'MTLS' | 'SASL_SSL' | 'SASL_PLAINTEXT';
type Addresses = Readonly<Record<Listener, string>>;

/** Operations of tests, with one broker or several. */
export interface TestKafka {
  /** A client without log lines. */
  client(): Kafka;
  /** Creates a topic with a unique name and returns the name. */
  createTopic(options?: { partitions?: number; config?: Record<string, string> }): Promise<string>;
  produce(topic: string, messages: Message[]): Promise<void>;
  /** All messages of a topic, in order within each partition. */
  read(topic: string): Promise<(KafkaMessage & { partition: number })[]>;
}

export interface TestBroker extends TestKafka {
  /** host:port; unchanged by a restart. */
  bootstrap: string;
  /** host:port of each listener; a secure broker has several. */
  addresses: Addresses;
  /** Folder of the broker; its logs are `data/TOPIC-PARTITION/*.log`. */
  folder: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Stops the broker and deletes its data. */
  remove(): Promise<void>;
}

/** A cluster of several brokers; each topic has three replicas and needs two. */
export interface TestCluster extends TestKafka {
  /** host:port of all brokers, separated by commas. */
  bootstrap: string;
  /** Number of brokers; tests number them from 0, Kafka from 1. */
  size: number;
  start(node: number): Promise<void>;
  /** Stops a broker in order, or with `kill` like a power cut. */
  stop(node: number, kill: 'kill' | 'stop'): Promise<void>;
  /** Kills all brokers and deletes their data. */
  remove(): Promise<void>;
}

const up = async (folder: string, options: string[], env: NodeJS.ProcessEnv = {}): Promise<Addresses> => {
  const { stdout } = await script(path.join(__dirname, 'kafka-up.sh'), [folder, ...options], {
    env: { ...process.env, ...env },
  });
  const lines = stdout.trim().split('\n');
  return Object.fromEntries(lines.map((line) => line.replace('KAFKA_', '').split('='))) as Addresses;
};
const down = async (folder: string, ...options: string[]): Promise<void> => {
  await script(path.join(__dirname, 'kafka-down.sh'), [folder, ...options]);
};

/** Starts a broker; Maven downloads it once (43 MB, in `.cache/kafka`). */
export async function startBroker({ secure = false } = {}): Promise<TestBroker> {
  const folder = await mkdtemp(path.join(tmpdir(), 'vaemon-kafka-'));
  const options = secure ? ['--secure'] : [];
  const addresses = await up(folder, options);
  const bootstrap = addresses.BOOTSTRAP;
  const kafka = createTestKafka([bootstrap]);
  await coordinatorsOf(kafka.client());
  return {
    ...kafka,
    bootstrap,
    addresses,
    folder,
    stop: () => down(folder),
    remove: () => down(folder, '--kill', '--wipe'),
    async start() {
      await up(folder, options);
    },
  };
}

/** Starts several brokers of a version of Kafka as one cluster; Maven downloads it once. */
export async function startCluster(size: number, version = '4.4.0'): Promise<TestCluster> {
  const folders = await Promise.all(
    Array.from({ length: size }, () => mkdtemp(path.join(tmpdir(), 'vaemon-kafka-'))),
  );
  const ports = await freePorts(size);
  const common = {
    KAFKA_VERSION: version,
    KAFKA_VOTERS: ports.map((port, i) => `${i + 1}@127.0.0.1:${port}`).join(),
    // The letter prevents a leading dash, which would be read as an option.
    KAFKA_CLUSTER: `V${randomBytes(16).toString('base64url').slice(1, 22)}`,
  };
  const start = (node: number): Promise<Addresses> =>
    up(folders[node]!, [], { ...common, KAFKA_NODE: String(node + 1) });
  const addresses = await Promise.all(folders.map((_, node) => start(node)));
  const brokers = addresses.map(({ BOOTSTRAP }) => BOOTSTRAP);
  const kafka = createTestKafka(brokers);
  await allThere(kafka.client(), size);
  await coordinatorsOf(kafka.client());
  return {
    ...kafka,
    bootstrap: brokers.join(),
    size,
    async start(node) {
      await start(node);
    },
    stop: (node, kill) => down(folders[node]!, ...(kill === 'kill' ? ['--kill'] : [])),
    async remove() {
      await Promise.all(folders.map((folder) => down(folder, '--kill', '--wipe')));
    },
  };
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** A topic that is created before all brokers run has fewer replicas, or fails. */
async function allThere(kafka: Kafka, size: number): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  await until(`${size} brokers`, async () => (await admin.describeCluster()).brokers.length === size, 60_000);
  await admin.disconnect();
}

function createTestKafka(brokers: readonly string[]): TestKafka {
  const silent = (): void => undefined;
  const log = { warn: silent, info: silent, debug: silent };
  const client = () => createKafkaClient({ brokers, clientId: 'test', log });
  let topics = 0;
  let readers = 0;

  return {
    client,
    async createTopic({ partitions = 1, config = {} } = {}) {
      const topic = `topic-${++topics}`;
      const admin = client().admin();
      await admin.connect();
      const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
      await admin.createTopics({
        topics: [{ topic, numPartitions: partitions, configEntries }],
        // kafkajs asks one broker, which may not have the topic yet.
        waitForLeaders: false,
      });
      await until(`the leaders of ${topic}`, async () => {
        const known = await admin.fetchTopicMetadata({ topics: [topic] }).catch(() => undefined);
        const leaders = known?.topics[0]?.partitions.map(({ leader }) => leader) ?? [];
        return leaders.length === partitions && leaders.every((leader) => leader >= 0);
      });
      // A broker may be listed as leader before it acts as one.
      await until(`${topic} to be there`, () =>
        admin.fetchTopicOffsets(topic).then(
          () => true,
          () => false,
        ),
      );
      await admin.disconnect();
      return topic;
    },
    async produce(topic, messages) {
      const producer = client().producer({ createPartitioner: Partitioners.DefaultPartitioner });
      await producer.connect();
      for (let start = 0; start < messages.length; start += 500) {
        await producer.send({ topic, messages: messages.slice(start, start + 500) });
      }
      await producer.disconnect();
    },
    async read(topic) {
      const kafka = client();
      const consumer = kafka.consumer({
        groupId: `reader-${++readers}-of-${topic}`,
        maxWaitTimeInMs: 100,
        // kafkajs would restart it after it has been disconnected.
        retry: { restartOnFailure: () => Promise.resolve(false) },
      });
      const admin = kafka.admin();
      const messages: (KafkaMessage & { partition: number })[] = [];
      try {
        await Promise.all([admin.connect(), consumer.connect()]);
        const offsets = await admin.fetchTopicOffsets(topic);
        const total = offsets.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0);
        await consumer.subscribe({ topics: [topic], fromBeginning: true });
        await consumer.run({
          eachMessage({ message, partition }) {
            messages.push(atPartition(message, partition));
            return Promise.resolve();
          },
        });
        await until(`${total} messages of ${topic}`, () => messages.length >= total);
      } finally {
        await Promise.all([consumer.disconnect(), admin.disconnect()]);
      }
      return messages;
    },
  };
}

/** A new broker creates the coordinators of groups, one for each of its two offset partitions, on first use. */
async function coordinatorsOf(kafka: Kafka): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  // Hash codes of either parity.
  for (const groupId of ['a', 'b']) {
    await until(`the coordinator of group ${groupId}`, () =>
      admin.fetchOffsets({ groupId }).then(
        () => true,
        () => false,
      ),
    );
  }
  await admin.disconnect();
}

/** Resolves as soon as the condition is true; rejects with the name of the condition after `timeoutMs`. */
export async function until(
  awaited: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`timed out: ${awaited}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
