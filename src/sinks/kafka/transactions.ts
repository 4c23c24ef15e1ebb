/**
 * Writes detections to Kafka, each batch in one transaction with the offsets of its records: both become visible, or neither.
 *
 * Each source partition has its own transactional id, so a process that takes it over fences the previous owner: the broker
 * rejects messages of an owner that was paused meanwhile. A transaction with an unknown result (a timeout, a lost broker) is
 * settled before the next write: the next producer with the same id makes the broker finish or abort it, and the group's offset
 * then shows the result.
 */
import type { Kafka } from 'kafkajs';
import { FencedError, isFenced } from '../../errors';
import { toError } from '../../system/error-text';
import { CommittedOffsets } from './committed-offsets';
import { bytesOf, createOutbox, type KafkaSinkSettings, type Outgoing } from './outbox';
import { PartitionWriter, RequestTooLarge } from './partition-writer';
import { Partitioning } from './partitioning';
import { createProducer } from './producer';
import type { DetectionBatch, TransactionResult } from '../sink';

export interface TransactionalSinkOptions {
  kafka: Kafka;
  settings: KafkaSinkSettings;
  /** The consumer group whose offsets are committed. */
  groupId: string;
  /** The broker aborts a transaction that is open for longer than this, ms. */
  transactionTimeoutMs?: number;
  /** Turns an error of kafkajs into one that contains the topics and the cause. Never rejects. */
  explain?: (error: unknown) => Promise<Error>;
  onTransaction: (result: TransactionResult) => void;
}

export type TransactionalSink = ReturnType<typeof createTransactionalSink>;

export function createTransactionalSink(options: TransactionalSinkOptions) {
  const { kafka, settings, groupId, transactionTimeoutMs = 60_000, onTransaction } = options;
  const { explain = (error: unknown) => Promise.resolve(toError(error)) } = options;
  /**
   * Maximum size of a request, bytes. Messages that the broker rejects for their size are sent in smaller requests of one
   * transaction.
   */
  let requestBytes = 700_000;
  const outbox = createOutbox(settings);
  const partitioning = new Partitioning();
  const offsets = new CommittedOffsets(kafka, groupId);
  const writers = new Map<string, PartitionWriter>();
  let closed = false;

  const idOf = (topic: string, partition: number): string => `${groupId}/${topic}/${partition}`;

  function writerOf(topic: string, partition: number): PartitionWriter {
    const writer = writers.get(idOf(topic, partition));
    if (writer === undefined) throw new FencedError(`${topic}/${partition} is not assigned to this process`);
    return writer;
  }

  async function openWriter(topic: string, partition: number): Promise<PartitionWriter> {
    const transactionalId = idOf(topic, partition);
    const writer = await PartitionWriter.open({
      topic,
      partition,
      groupId,
      settings,
      partitioning,
      createProducer: () =>
        createProducer(kafka, partitioning, { transactionalId, transactionTimeout: transactionTimeoutMs }),
      readCommitted: async () => (await offsets.read(topic, [partition]))[0]!,
      transactionTimeoutMs,
      onTransaction,
    });
    writers.set(transactionalId, writer);
    return writer;
  }

  /** Writes all messages or none, with smaller requests after each rejection for size. */
  async function commitFitting(
    writer: PartitionWriter,
    outgoing: readonly Outgoing[],
    to: bigint,
  ): Promise<void> {
    try {
      await writer.commit(outgoing, to, requestBytes);
    } catch (error) {
      if (!(error instanceof RequestTooLarge)) throw error;
      const smaller = shrink(outgoing, error);
      if (!(await writer.settle(to))) await commitFitting(writer, smaller, to);
    }
  }

  function shrink(outgoing: readonly Outgoing[], { request, cause }: RequestTooLarge): readonly Outgoing[] {
    const [first, ...others] = request;
    if (others.length > 0) {
      requestBytes = Math.max(1, Math.floor(bytesOf(request) / 2));
      return outgoing;
    }
    const smaller = first && outbox.cut(first);
    if (smaller === undefined) throw cause;
    return outgoing.map((one) => (one === first ? smaller : one));
  }

  async function release(): Promise<void> {
    const released = [...writers.values()];
    writers.clear();
    await Promise.all(released.map((writer) => writer.close()));
  }

  return {
    name: 'kafka',
    anomaliesOnly: settings.emit === 'anomalies',
    /**
     * Fences every other process that writes for these partitions of a topic, and releases all other partitions. Must be called
     * at an assignment, before the committed offsets are read.
     */
    async fence(topic: string, partitions: readonly number[]): Promise<void> {
      await release();
      const opened = await Promise.all(partitions.map((partition) => openWriter(topic, partition)));
      // From here on, only this process can change the offsets.
      const reached = await offsets.read(topic, partitions);
      opened.forEach((writer, i) => (writer.reached = reached[i]!));
    },
    /**
     * Commits an offset without detections, also in a transaction: a consumer's commit that kafkajs retries might arrive after
     * the transactions of the next owner.
     * @throws FencedError if the partition is not fenced by this process
     */
    async commitStartOffset(topic: string, partition: number, offset: bigint): Promise<void> {
      await writerOf(topic, partition).commit([], offset, requestBytes);
    },
    async write(batch: DetectionBatch): Promise<void> {
      if (closed) throw new Error('the Kafka sink is closed');
      const { advance } = batch;
      const outgoing = outbox.outgoing(batch);
      if (advance === undefined) {
        if (outgoing.length > 0) throw new Error('detections without the offsets of their records');
        return;
      }
      const { topic, partition, committed, from, to } = advance;
      const writer = writerOf(topic, partition);
      if (await writer.settle(to)) return;
      if (to <= writer.reached && outgoing.length === 0) return;
      if (committed > writer.reached || from < writer.reached) {
        throw writer.fenced(
          `${writer.name} is at offset ${writer.reached}, the detections are of ${from} to ${to}`,
        );
      }
      await commitFitting(writer, outgoing, to).catch(async (error: unknown) => {
        throw isFenced(error) ? error : await explain(error);
      });
    },
    async close() {
      closed = true;
      await release();
      await offsets.close();
    },
  };
}
