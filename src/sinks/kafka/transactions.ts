/**
 * Verdicts to Kafka, each batch in one transaction with the offsets that it was made of: both become visible, or neither.
 *
 * Every partition that is read has a transactional id of its own, so whoever takes it over shuts out whoever had it: the
 * broker refuses what a process still sends that was paused meanwhile. A transaction whose end is not known (a time-out, a
 * broker that went away) is settled before anything else is written: the next producer of the same id makes the
 * broker finish or abort it, and the group's offset then tells which.
 */
import { Partitioners } from 'kafkajs';
import type { Admin, Kafka, Producer, Transaction } from 'kafkajs';
import { FencedError } from '../../errors';
import { pause, settledWithin } from '../../system/pause';
import {
  byTopic,
  bytesOf,
  compressionOf,
  createOutbox,
  inRequests,
  isTooLarge,
  type KafkaSinkSettings,
  type Outgoing,
} from './outbox';
import type { Advance, Sink, TransactionResult } from '../sink';

export interface TransactionalSinkOptions {
  kafka: Kafka;
  settings: KafkaSinkSettings;
  /** Whose offsets are committed. */
  groupId: string;
  /** Messages of one request, bytes; what the broker finds too large goes in smaller ones of the same transaction. */
  maxRequestBytes?: number;
  /** The broker aborts a transaction that is open for longer, ms. */
  transactionTimeoutMs?: number;
  onTransaction?: (result: TransactionResult) => void;
}

export interface TransactionalSink extends Sink {
  /**
   * Shuts out every other process that writes for these partitions of a topic, and lets go of all other partitions. To be
   * called at an assignment, before the committed offsets are read.
   */
  fence(topic: string, partitions: readonly number[]): Promise<void>;
  /**
   * Puts the group at an offset without any verdicts. In a transaction, too: a commit of the consumer that is tried again may land
   * behind the transactions of whoever has the partition by then.
   * @throws FencedError when the partition is not written for here; else it has to be taken over again
   */
  commitStartOffset(topic: string, partition: number, offset: bigint): Promise<void>;
}

/** A partition that this process writes for. */
interface Claim {
  topic: string;
  partition: number;
  producer: Producer;
  /** Begun, with nothing in it: beginning is what shuts others out. */
  begun: Transaction | undefined;
  /** The group's offset, as the last transaction has left it. */
  reached: bigint;
  /** How the last transaction ended is not known. */
  doubtful: boolean;
}

/** How often kafkajs tries a request before `write()` rejects; the batch comes again then. */
const retry = { initialRetryTime: 100, maxRetryTime: 2_000, retries: 6 };

/** Committed offset of a group that has not come to anything. */
const none = -1n;

/** How long to wait for a producer that is not needed any more to be taken down, ms. */
const disconnectTimeoutMs = 2_000;

export function createTransactionalSink(options: TransactionalSinkOptions): TransactionalSink {
  const {
    kafka,
    settings,
    groupId,
    transactionTimeoutMs = 60_000,
    onTransaction = () => undefined,
  } = options;
  let requestBytes = options.maxRequestBytes ?? 700_000;
  const outbox = createOutbox(settings);
  const claims = new Map<string, Claim>();
  let admin: Promise<Admin> | undefined;
  let closed = false;

  const idOf = (topic: string, partition: number): string => `${groupId}/${topic}/${partition}`;

  function claimOf(topic: string, partition: number): Claim {
    const claim = claims.get(idOf(topic, partition));
    if (claim === undefined) throw new FencedError(`${topic}/${partition} is not written for here`);
    return claim;
  }

  /** A producer that has shut out the one before it. */
  async function beginAs(transactionalId: string): Promise<Pick<Claim, 'producer' | 'begun'>> {
    const producer = kafka.producer({
      transactionalId,
      transactionTimeout: transactionTimeoutMs,
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner: Partitioners.DefaultPartitioner,
      retry,
    });
    try {
      await producer.connect();
      return { producer, begun: await producer.transaction() };
    } catch (error) {
      void producer.disconnect().catch(() => undefined);
      throw error;
    }
  }

  /**
   * By partition, in their order; −1 where the group has none. Waits for what a transaction is about to change.
   * @throws Error when that takes too long
   */
  async function committedOffsets(topic: string, partitions: readonly number[]): Promise<bigint[]> {
    for (let attempt = 0; attempt < 20; attempt++) {
      admin ??= connectAdmin();
      const [fetched] = await (await admin).fetchOffsets({ groupId, topics: [topic] });
      const offsets = partitions.map((partition) =>
        BigInt(fetched?.partitions.find((one) => one.partition === partition)?.offset ?? none),
      );
      // −2: another kafkajs has set the group back to the oldest message.
      if (offsets.every((offset) => offset >= -2n))
        return offsets.map((offset) => (offset < none ? none : offset));
      await pause(5 * 2 ** Math.min(attempt, 5));
    }
    throw new Error(`committed offsets of ${topic} are still about to change`);
  }

  async function committedOffset({ topic, partition }: Claim): Promise<bigint> {
    const [offset] = await committedOffsets(topic, [partition]);
    return offset!;
  }

  async function connectAdmin(): Promise<Admin> {
    const client = kafka.admin();
    try {
      await client.connect();
      return client;
    } catch (error) {
      admin = undefined;
      throw error;
    }
  }

  /** Settles how the transaction before has ended; returns whether it had been committed. */
  async function settle(claim: Claim, { to }: Advance): Promise<boolean> {
    const { topic, partition } = claim;
    void letGo(claim);
    Object.assign(claim, await beginAs(idOf(topic, partition)));
    const committed = await committedOffset(claim);
    if (committed !== to && committed !== claim.reached) {
      onTransaction('fenced');
      throw new FencedError(
        `the group has come to offset ${committed} of ${topic}/${partition}, not by this process (${claim.reached})`,
      );
    }
    claim.doubtful = false;
    claim.reached = committed;
    return committed === to;
  }

  async function commit(claim: Claim, outgoing: readonly Outgoing[], to: bigint): Promise<void> {
    const transaction = claim.begun ?? (await claim.producer.transaction());
    claim.begun = undefined;
    claim.doubtful = true;
    try {
      const partitions = [{ partition: claim.partition, offset: String(to) }];
      // Offsets first: that is a small request to be asked again for while the transaction before is being finished.
      await patiently(() =>
        transaction.sendOffsets({ consumerGroupId: groupId, topics: [{ topic: claim.topic, partitions }] }),
      );
      for (const request of inRequests(outgoing, requestBytes)) await send(transaction, request);
      await transaction.commit();
    } catch (error) {
      onTransaction('failed');
      // What a transaction holds open no consumer of committed messages can read past. Where this fails the next
      // producer sees to it, or the time-out.
      if (transaction.isActive()) await transaction.abort().catch(() => undefined);
      throw error;
    }
    claim.doubtful = false;
    claim.reached = to;
    onTransaction('committed');
  }

  async function send(transaction: Transaction, request: readonly Outgoing[]): Promise<void> {
    try {
      await transaction.sendBatch({
        acks: -1,
        compression: compressionOf(settings),
        topicMessages: byTopic(request),
      });
    } catch (error) {
      throw isTooLarge(error) ? new RequestTooLarge(request, error) : error;
    }
  }

  async function letGo({ producer }: Claim): Promise<void> {
    await settledWithin(producer.disconnect(), disconnectTimeoutMs);
  }

  return {
    name: 'kafka',
    anomaliesOnly: settings.emit === 'anomalies',
    async fence(topic, partitions) {
      const before = [...claims.values()];
      claims.clear();
      await Promise.all(before.map(letGo));
      const begun = await Promise.all(
        partitions.map(async (partition) => {
          const { producer, begun } = await beginAs(idOf(topic, partition));
          const claim: Claim = { topic, partition, producer, begun, reached: none, doubtful: false };
          claims.set(idOf(topic, partition), claim);
          return claim;
        }),
      );
      // Only now nobody else can change them.
      const reached = await committedOffsets(topic, partitions);
      begun.forEach((claim, i) => (claim.reached = reached[i]!));
    },
    async commitStartOffset(topic, partition, offset) {
      await commit(claimOf(topic, partition), [], offset);
    },
    async write(verdicts) {
      if (closed) throw new Error('the Kafka sink is closed');
      const { advance } = verdicts;
      let outgoing = outbox.outgoing(verdicts);
      if (advance === undefined) {
        if (outgoing.length > 0) throw new Error('verdicts without the offsets that go with them');
        return;
      }
      const { topic, partition, committed, from, to } = advance;
      const claim = claimOf(topic, partition);
      if (claim.doubtful && (await settle(claim, advance))) return;
      if (to <= claim.reached && outgoing.length === 0) return;
      if (committed > claim.reached || from < claim.reached) {
        onTransaction('fenced');
        throw new FencedError(
          `${topic}/${partition} is at offset ${claim.reached}, the verdicts are of ${from} to ${to}`,
        );
      }
      for (;;) {
        try {
          await commit(claim, outgoing, to);
          return;
        } catch (error) {
          if (!(error instanceof RequestTooLarge)) throw error;
          // All of it again, in smaller requests of another transaction: it is one, or none.
          outgoing = shrink(outgoing, error);
          if (await settle(claim, advance)) return;
        }
      }
    },
    async close() {
      closed = true;
      await Promise.all([...claims.values()].map(letGo));
      claims.clear();
      const client = await admin?.catch(() => undefined);
      admin = undefined;
      await client?.disconnect();
    },
  };

  function shrink(outgoing: readonly Outgoing[], { request, cause }: RequestTooLarge): Outgoing[] {
    const [first, ...others] = request;
    if (others.length > 0) {
      requestBytes = Math.max(1, Math.floor(bytesOf(request) / 2));
      return [...outgoing];
    }
    const smaller = first && outbox.cut(first);
    if (smaller === undefined) throw cause;
    return outgoing.map((one) => (one === first ? smaller : one));
  }
}

/** A request of a transaction that the broker has refused for its size. */
class RequestTooLarge extends Error {
  override readonly name = 'RequestTooLarge';
  constructor(
    readonly request: readonly Outgoing[],
    override readonly cause: unknown,
  ) {
    super('the request is too large for the broker', { cause });
  }
}

/** While the broker finishes the transaction before, it asks to come again; kafkajs does that for messages alone. */
async function patiently(work: () => Promise<void>): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await work();
      return;
    } catch (error) {
      if ((error as { type?: unknown }).type !== 'CONCURRENT_TRANSACTIONS' || attempt >= 50) throw error;
      await pause(Math.min(5 * 2 ** attempt, 200));
    }
  }
}
