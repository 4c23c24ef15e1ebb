/** A real Kafka broker for a test file: started before its tests, stopped and deleted after them. */
import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Partitioners } from 'kafkajs';
import type { Kafka, KafkaMessage, Message } from 'kafkajs';
import { createKafkaClient } from '../../../src/sources/kafka-client';

const script = promisify(execFile);

type Listener = 'BOOTSTRAP' | 'SSL' | 'MTLS' | 'SASL_SSL' | 'SASL_PLAINTEXT';
type Addresses = Readonly<Record<Listener, string>>;

export interface TestBroker {
  /** host:port; stays the same over a stop and a start. */
  bootstrap: string;
  /** The same of each listener; of a secure broker there are several. */
  addresses: Addresses;
  /** Where its logs are: `data/TOPIC-PARTITION/*.log`. */
  folder: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Stops the broker and deletes its data. */
  remove(): Promise<void>;
  /** A client whose log lines are thrown away. */
  client(): Kafka;
  /** Creates a topic with a name of its own and returns the name. */
  createTopic(options?: { partitions?: number; config?: Record<string, string> }): Promise<string>;
  produce(topic: string, messages: Message[]): Promise<void>;
  /** Everything in a topic, in order within each partition. */
  read(topic: string): Promise<(KafkaMessage & { partition: number })[]>;
}

/** Starts a broker; the first time Maven fetches it (43 MB, kept in `.cache/kafka`). */
export async function startBroker({ secure = false } = {}): Promise<TestBroker> {
  const folder = await mkdtemp(path.join(tmpdir(), 'vaemon-kafka-'));
  const up = async () => {
    const options = secure ? ['--secure'] : [];
    const { stdout } = await script(path.join(__dirname, 'kafka-up.sh'), [folder, ...options]);
    const lines = stdout.trim().split('\n');
    return Object.fromEntries(lines.map((line) => line.replace('KAFKA_', '').split('='))) as Addresses;
  };
  const down = async (...options: string[]) => {
    await script(path.join(__dirname, 'kafka-down.sh'), [folder, ...options]);
  };
  const addresses = await up();
  const bootstrap = addresses.BOOTSTRAP;
  const silent = (): void => undefined;
  const log = { warn: silent, info: silent, debug: silent };
  const client = () => createKafkaClient({ brokers: [bootstrap], clientId: 'test', log });
  await coordinatorsOf(client());
  let topics = 0;
  let readers = 0;

  return {
    bootstrap,
    addresses,
    folder,
    client,
    stop: () => down(),
    remove: () => down('--kill', '--wipe'),
    async start() {
      await up();
    },
    async createTopic({ partitions = 1, config = {} } = {}) {
      const topic = `topic-${++topics}`;
      const admin = client().admin();
      await admin.connect();
      const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
      await admin.createTopics({ topics: [{ topic, numPartitions: partitions, configEntries }] });
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
        // kafkajs would start it again after it has been disconnected.
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
            messages.push({ ...message, partition });
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

/** A new broker makes the coordinators of groups, one for each of its two partitions of offsets, when they are first asked for. */
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

/** Resolves as soon as the condition holds; rejects with what was awaited after `timeoutMs`. */
export async function until(
  awaited: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`timed out: ${awaited}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
