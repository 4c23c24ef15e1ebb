/** Transactions for one source partition: the messages of a batch and the committed offset become visible together. */
import type { Producer, Transaction } from 'kafkajs';
import { FencedError } from '../../errors';
import { pause, settledWithin } from '../../system/pause';
import { noOffset } from './committed-offsets';
import { inRequests, isTooLarge, requestOf, type KafkaSinkSettings, type Outgoing } from './outbox';
import { sendToPartition, type Partitioning } from './partitioning';
import type { TransactionResult } from '../sink';

export interface PartitionWriterOptions {
  topic: string;
  partition: number;
  groupId: string;
  settings: KafkaSinkSettings;
  partitioning: Partitioning;
  /** Creates a producer with the transactional id of the partition. */
  createProducer: () => Producer;
  readCommitted: () => Promise<bigint>;
  /** The broker aborts a transaction that is open for longer than this, ms. */
  transactionTimeoutMs: number;
  onTransaction: (result: TransactionResult) => void;
}

/** Time that disconnecting an unneeded producer may take, ms. */
const disconnectTimeoutMs = 2_000;
const maxConcurrentAttempts = 50;

/** Writes for a partition until another process fences it. */
export class PartitionWriter {
  /** Committed offset of the group after the last transaction. */
  reached = noOffset;
  /** Whether the result of the last transaction is unknown. */
  private isUncertain = false;

  private constructor(
    private readonly options: PartitionWriterOptions,
    private producer: Producer,
    /** An open and empty transaction: to begin one fences other processes. */
    private begun: Transaction | undefined,
  ) {}

  /** Opens a writer and fences the previous one of the partition. */
  static async open(options: PartitionWriterOptions): Promise<PartitionWriter> {
    const { producer, begun } = await begin(options);
    return new PartitionWriter(options, producer, begun);
  }

  get name(): string {
    return `${this.options.topic}/${this.options.partition}`;
  }

  /**
   * Determines the result of an uncertain transaction that should have moved the group's offset to `to`. Returns whether it was
   * committed.
   * @throws FencedError if another process has moved the offset
   */
  async settle(to: bigint): Promise<boolean> {
    if (!this.isUncertain) return false;
    void this.close();
    // The broker finishes or aborts the transaction before a producer with the same id can begin another one.
    ({ producer: this.producer, begun: this.begun } = await begin(this.options));
    const committed = await this.options.readCommitted();
    if (committed !== to && committed !== this.reached) {
      throw this.fenced(`the group is at offset ${committed} of ${this.name}, expected ${this.reached}`);
    }
    this.isUncertain = false;
    this.reached = committed;
    return committed === to;
  }

  /** Reports and returns the error of a partition that belongs to another process. */
  fenced(problem: string): FencedError {
    this.options.onTransaction('fenced');
    return new FencedError(problem);
  }

  /**
   * Writes messages and moves the group's offset to `to`, in requests of at most `requestBytes`.
   * @throws RequestTooLarge if the broker rejects one for its size
   * @throws Error after the time of a transaction: kafkajs may wait without end for a broker that has changed
   */
  async commit(outgoing: readonly Outgoing[], to: bigint, requestBytes: number): Promise<void> {
    const { onTransaction, transactionTimeoutMs } = this.options;
    const transaction = this.begun ?? (await this.producer.transaction());
    this.begun = undefined;
    this.isUncertain = true;
    try {
      const work = this.run(transaction, outgoing, to, requestBytes);
      if (!(await settledWithin(work, transactionTimeoutMs)))
        throw new Error(
          `a transaction of ${this.name} has not ended within ${transactionTimeoutMs / 1000} s`,
        );
      await work;
    } catch (error) {
      onTransaction('failed');
      throw error;
    }
    this.isUncertain = false;
    this.reached = to;
    onTransaction('committed');
  }

  private async run(
    transaction: Transaction,
    outgoing: readonly Outgoing[],
    to: bigint,
    requestBytes: number,
  ): Promise<void> {
    const { topic, partition, groupId, partitioning } = this.options;
    try {
      const partitions = [{ partition, offset: String(to) }];
      // Offsets come first: this request is repeated while the broker finishes the previous transaction, and should be small.
      await retryWhileConcurrent(() =>
        transaction.sendOffsets({ consumerGroupId: groupId, topics: [{ topic, partitions }] }),
      );
      // In turn: the broker adds one partition to a transaction at a time.
      for (const round of partitioning.rounds(outgoing))
        for (const group of round)
          for (const request of inRequests(group, requestBytes)) await this.send(transaction, request);
      await transaction.commit();
    } catch (error) {
      // An open transaction blocks read_committed consumers. If the abort fails, the next producer or the timeout ends the
      // transaction.
      if (transaction.isActive()) await transaction.abort().catch(() => undefined);
      throw error;
    }
  }

  async close(): Promise<void> {
    await settledWithin(this.producer.disconnect(), disconnectTimeoutMs);
  }

  private async send(transaction: Transaction, request: readonly Outgoing[]): Promise<void> {
    try {
      await sendToPartition(transaction, requestOf(request, this.options.settings));
    } catch (error) {
      throw isTooLarge(error) ? new RequestTooLarge(request, error) : error;
    }
  }
}

async function begin({ createProducer }: PartitionWriterOptions) {
  const producer = createProducer();
  try {
    await producer.connect();
    return { producer, begun: await producer.transaction() };
  } catch (error) {
    void producer.disconnect().catch(() => undefined);
    throw error;
  }
}

/** The broker has rejected a request of a transaction for its size. */
export class RequestTooLarge extends Error {
  override readonly name = 'RequestTooLarge';
  constructor(
    readonly request: readonly Outgoing[],
    override readonly cause: unknown,
  ) {
    super('the request is too large for the broker', { cause });
  }
}

/** Repeats a request while the broker finishes the previous transaction; kafkajs repeats only requests with messages. */
async function retryWhileConcurrent(work: () => Promise<void>): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await work();
      return;
    } catch (error) {
      const isConcurrent = (error as { type?: unknown }).type === 'CONCURRENT_TRANSACTIONS';
      if (!isConcurrent || attempt >= maxConcurrentAttempts) throw error;
      await pause(Math.min(5 * 2 ** attempt, 200));
    }
  }
}
