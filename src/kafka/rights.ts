/**
 * Finds out which rights a user has, by requests without effect. A broker checks the right first, so a request that cannot
 * succeed shows whether the user has it: a heartbeat of a non-existent member, or a record for a non-existent partition.
 */
import type { Kafka } from 'kafkajs';
import { causesOf } from '../errors';
import { backOffMs, pause } from '../system/pause';

/** The part of kafkajs' cluster that is used; its public clients cannot send these requests separately. */
interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addTargetTopic(topic: string): Promise<void>;
  findLeaderForPartitions(topic: string, partitions: number[]): Record<string, number[]>;
  findBroker(node: { nodeId: string }): Promise<Broker>;
  findControllerBroker(): Promise<Broker>;
}

interface Broker {
  fetch(request: object): Promise<{
    responses: { partitions: { messages: { timestamp: string }[] }[] }[];
  }>;
  produce(request: object): Promise<unknown>;
  heartbeat(member: { groupId: string; groupGenerationId: number; memberId: string }): Promise<unknown>;
  findGroupCoordinator(group: {
    groupId: string;
    coordinatorType: number;
  }): Promise<{ coordinator: { nodeId: string } }>;
  initProducerId(request: { transactionTimeout: number }): Promise<unknown>;
}

export type KafkaRights = Awaited<ReturnType<typeof openRights>>;

const noPartition = 2 ** 31 - 1;
const noMember = 'vaemon-doctor';
const coordinators = { group: 0, transactions: 1 };

/** @throws Error of kafkajs if the brokers do not answer */
export async function openRights(kafka: Kafka) {
  const create = Object.getOwnPropertySymbols(kafka).find(
    ({ description }) => description === 'private:Kafka:createCluster',
  )!;
  const cluster = (kafka as unknown as Record<symbol, (options: object) => Cluster>)[create]!({
    allowAutoTopicCreation: false,
  });
  await cluster.connect();

  async function leaderOf(topic: string, partition: number): Promise<Broker> {
    await cluster.addTargetTopic(topic);
    const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]));
    return cluster.findBroker({ nodeId: nodeId! });
  }

  /** Finds a coordinator. That of kafkajs hides the reason if there is none. */
  async function coordinatorOf(id: string, kind: keyof typeof coordinators): Promise<Broker> {
    const any = await cluster.findControllerBroker();
    const { coordinator } = await any.findGroupCoordinator({
      groupId: id,
      coordinatorType: coordinators[kind],
    });
    return cluster.findBroker(coordinator);
  }

  return {
    /**
     * Reads at an existing offset. Returns the time of the first record that arrives, Unix ms; undefined if none arrives.
     * @throws Error if the topic cannot be read
     */
    async read(topic: string, partition: number, offset: string): Promise<number | undefined> {
      const broker = await leaderOf(topic, partition);
      const { responses } = await broker.fetch({
        replicaId: -1,
        isolationLevel: 1,
        maxWaitTime: 500,
        minBytes: 1,
        maxBytes: 1,
        topics: [{ topic, partitions: [{ partition, fetchOffset: offset, maxBytes: 1 }] }],
      });
      const time = responses[0]?.partitions[0]?.messages[0]?.timestamp;
      return time === undefined ? undefined : Number(time);
    },
    canWrite: (topic: string): Promise<boolean> =>
      isAllowed(async () => {
        const broker = await leaderOf(topic, 0);
        const messages = [{ key: null, value: Buffer.alloc(0), headers: {}, timestamp: String(Date.now()) }];
        await broker.produce({ topicData: [{ topic, partitions: [{ partition: noPartition, messages }] }] });
      }),
    canJoin: (groupId: string): Promise<boolean> =>
      isAllowed(async () => {
        const broker = await coordinatorOf(groupId, 'group');
        await broker.heartbeat({ groupId, groupGenerationId: 0, memberId: noMember });
      }),
    canWriteIdempotently: (): Promise<boolean> =>
      isAllowed(async () => {
        const broker = await cluster.findControllerBroker();
        await broker.initProducerId({ transactionTimeout: 1000 });
      }),
    /**
     * Whether the user may describe a transactional id. To begin a transaction with it would abort that of a running process.
     */
    canSeeTransactions: (transactionalId: string): Promise<boolean> =>
      isAllowed(async () => {
        await coordinatorOf(transactionalId, 'transactions');
      }),
    close: () => cluster.disconnect(),
  };
}

/** Errors that a broker returns only after it has checked the right, so the user has the right. */
const beyondTheRight: readonly unknown[] = [
  'UNKNOWN_TOPIC_OR_PARTITION',
  'UNKNOWN_MEMBER_ID',
  'ILLEGAL_GENERATION',
  'REBALANCE_IN_PROGRESS',
];

const attempts = 6;
const maxBackOffMs = 2_000;

/**
 * Repeats the request for a while, as a broker that has just started refuses requests.
 * @throws Error if the request fails for another reason than a right
 */
async function isAllowed(request: () => Promise<void>): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    try {
      await request();
      return true;
    } catch (error) {
      const causes = [...causesOf(error)] as (Error & { type?: unknown; retriable?: unknown })[];
      if (causes.some(({ type }) => beyondTheRight.includes(type))) return true;
      if (causes.some(({ type }) => typeof type === 'string' && type.endsWith('_AUTHORIZATION_FAILED')))
        return false;
      if (attempt === attempts || !causes.some(({ retriable }) => retriable === true)) throw error;
      await pause(backOffMs(attempt, maxBackOffMs));
    }
  }
}
