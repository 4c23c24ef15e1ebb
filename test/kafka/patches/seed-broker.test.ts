import { createRequire } from 'node:module';
import { installedKafkajs } from '../../../src/kafka/patches/installed';
import { seedBrokerPatch } from '../../../src/kafka/patches/seed-broker';

interface Broker {
  nodeId: number;
  connectionPool: { host: string };
  metadata(): Promise<object>;
}
interface Pool {
  brokers: Record<string, Broker>;
  seedBroker: Broker;
  metadataExpireAt: number | null;
  createBroker(options: object): Broker;
  createSeedBroker(): Promise<void>;
  refreshMetadata(topics: string[]): Promise<void>;
  refreshMetadataIfNecessary(topics: string[]): Promise<void>;
  removeBroker(address: object): void;
}

const BrokerPool = createRequire(__filename)('kafkajs/src/cluster/brokerPool') as new (
  options: object,
) => Pool;

beforeAll(() => expect(seedBrokerPatch.apply(installedKafkajs)).toBe(true));

/** A pool of kafkajs with two brokers, of which the first was connected first. */
async function createPool() {
  const noop = () => undefined;
  const logger = { debug: noop, info: noop, warn: noop, error: noop, namespace: () => logger };
  const build = ({ host = 'a', port = 1 } = {}) =>
    Promise.resolve({ host, port, connectionTimeout: 1, isConnected: () => true, destroy: noop });
  const pool = new BrokerPool({ connectionPoolBuilder: { build }, logger, retry: { retries: 0 } });
  const brokers = ['a', 'b'].map((host, i) => ({ nodeId: i + 1, host, port: 1 }));
  const answers = { ready: Promise.resolve(), count: 0 };
  const create = pool.createBroker;
  pool.createBroker = (options) =>
    Object.assign(create(options), {
      async metadata() {
        await answers.ready;
        answers.count++;
        return { brokers, topicMetadata: [] };
      },
    });
  await pool.createSeedBroker();
  await pool.refreshMetadata([]);
  const hosts = () =>
    Object.entries(pool.brokers).map(([id, { connectionPool }]) => [id, connectionPool.host]);
  return { pool, hosts, answers };
}

test('a broker that is removed while metadata are awaited does not get the address of another one', async () => {
  const { pool, hosts, answers } = await createPool();
  const other = pool.brokers[2]!;
  let answer: () => void = () => undefined;
  answers.ready = new Promise((resolve) => (answer = resolve));
  const refreshed = pool.refreshMetadata([]);
  await new Promise(setImmediate);
  pool.removeBroker({ host: 'a', port: 1 });
  answer();
  await refreshed;
  expect(hosts()).toEqual([
    ['1', 'a'],
    ['2', 'b'],
  ]);
  expect(other.nodeId).toBe(2);
});

test('a removed broker is not used until metadata name it again, and they are read at once', async () => {
  const { pool, hosts, answers } = await createPool();
  pool.removeBroker({ host: 'b', port: 1 });
  expect(hosts()).toEqual([['1', 'a']]);
  const before = answers.count;
  await pool.refreshMetadataIfNecessary([]);
  expect(answers.count).toBe(before + 1);
  expect(hosts()).toEqual([
    ['1', 'a'],
    ['2', 'b'],
  ]);
  pool.removeBroker({ host: 'unknown', port: 1 });
  expect(hosts()).toHaveLength(2);
});
