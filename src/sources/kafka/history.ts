/** Past messages of a Kafka topic, read independently of the live consumer. */
import { randomUUID } from 'node:crypto';
import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs';
import { toError } from '../../system/error-text';
import { settledWithin } from '../../system/pause';
import { Channel } from './channel';
import { createTopicAdmin } from '../../kafka/admin';
import type { HistoryChunk, HistoryRange, ReadHistory } from '../history';
import { countMessages, keepBlocks, keepPartitions } from './offsets';
import type { OffsetRange } from './offsets';
import { toMessages } from './messages';

export interface KafkaHistoryOptions {
  kafka: Kafka;
  settings: { topic: string; groupId: string };
  /** Maximum messages per chunk. */
  chunkRecords?: number;
  /** Reading ends if no message arrives for this long, ms: an open transaction may hold back the rest. */
  idleTimeoutMs?: number;
  /** Turns an error of kafkajs into one that contains the topic and the cause. Never rejects. */
  explain?: (error: unknown) => Promise<Error>;
  /** Called after an idle timeout, with the ranges that were not read. */
  onUnread?: ((ranges: readonly OffsetRange[]) => void) | undefined;
}

/** Time for kafkajs to leave and delete the temporary group, ms. */
const endTimeoutMs = 5_000;

/** Time for kafkajs to leave and delete the temporary group, ms. */
const maxRestarts = 5;

/**
 * Reads a topic by message time, up to its end at the start of the reading. A temporary consumer group, which commits nothing
 * and is deleted afterwards, leaves the live group unaffected. The iteration rejects if Kafka cannot be read.
 */
export function createKafkaHistory(options: KafkaHistoryOptions): ReadHistory {
  const { kafka, settings, explain = (error: unknown) => Promise.resolve(toError(error)) } = options;
  return async function* readHistory(range) {
    const { maxRecords, blocks = 1, partitions = Infinity, onShare, onPartitions } = range;
    try {
      const found = await findRanges(kafka, settings.topic, range);
      const all = found.filter(({ start, end }) => end > start);
      const chosen = keepPartitions(all, partitions);
      const ranges = keepBlocks(chosen, maxRecords, blocks);
      onShare?.(shareOf(blocks === 1 ? chosen : ranges, all));
      onPartitions?.({ read: chosen.length, all: all.length, available: countMessages(chosen) });
      for await (const messages of readKafkaRanges(options, ranges)) {
        const wanted = messages.filter((m) => isWithin(m.timestamp, range));
        if (wanted.length > 0) yield Object.assign(wanted, { block: messages.block });
      }
    } catch (error) {
      throw await explain(error);
    }
  };
}

function shareOf(some: readonly OffsetRange[], all: readonly OffsetRange[]): number {
  const total = countMessages(all);
  return total === 0 ? 1 : countMessages(some) / total;
}

/** Offsets of each partition between two message times, at most up to its present end. */
export async function findRanges(
  kafka: Kafka,
  topic: string,
  { from, to }: Pick<HistoryRange, 'from' | 'to'>,
): Promise<OffsetRange[]> {
  const admin = createTopicAdmin(kafka);
  await admin.connect();
  try {
    const bounds = await admin.fetchTopicOffsets(topic);
    // For a time after the newest message, both requests return the end of the partition.
    const starts = from === undefined ? [] : await admin.fetchTopicOffsetsByTimestamp(topic, from);
    const ends = to === undefined ? [] : await admin.fetchTopicOffsetsByTimestamp(topic, to);
    return bounds.map(({ partition, low, high }) => {
      const offsetIn = (found: typeof starts) => found.find((one) => one.partition === partition)?.offset;
      const end = BigInt(offsetIn(ends) ?? high);
      return {
        partition,
        start: BigInt(offsetIn(starts) ?? low),
        end: end < BigInt(high) ? end : BigInt(high),
      };
    });
  } finally {
    await settledWithin(admin.disconnect(), endTimeoutMs);
  }
}

/**
 * Messages of those parts of the ranges that still exist, in chunks of one range each, in order within a partition. The ranges
 * of a partition must ascend.
 */
export async function* readKafkaRanges(
  options: KafkaHistoryOptions,
  wanted: readonly OffsetRange[],
): AsyncGenerator<Required<HistoryChunk>> {
  const { kafka, settings } = options;
  const ranges = wanted.filter(({ start, end }) => end > start);
  if (ranges.length === 0) return;
  const groupId = `${settings.groupId}-history-${randomUUID()}`;
  let restarts = 0;
  const consumer = kafka.consumer({
    groupId,
    maxWaitTimeInMs: 500,
    allowAutoTopicCreation: false,
    retry: { restartOnFailure: () => Promise.resolve(restarts++ < maxRestarts) },
  });
  const admin = createTopicAdmin(kafka);
  try {
    await admin.connect();
    yield* readRanges(consumer, ranges, options);
  } finally {
    await settledWithin(consumer.disconnect(), endTimeoutMs);
    // A failure is harmless: the broker itself deletes an empty group without offsets later.
    await settledWithin(admin.deleteGroups([groupId]), endTimeoutMs);
    await settledWithin(admin.disconnect(), endTimeoutMs);
  }
}

/** Message times need not ascend with offsets, so a range of offsets may contain other messages. */
function isWithin(timestamp: number, { from, to }: HistoryRange): boolean {
  return (from === undefined || timestamp >= from) && (to === undefined || timestamp < to);
}

/** Chunks of all ranges, in order within each range. Only one chunk exists at a time, so a slow reader slows down fetching. */
async function* readRanges(
  consumer: Consumer,
  ranges: readonly OffsetRange[],
  { settings: { topic }, chunkRecords = 1_000, idleTimeoutMs = 10_000, onUnread }: KafkaHistoryOptions,
): AsyncGenerator<Required<HistoryChunk>> {
  /** Unfinished partitions: the range that is being read, and the ranges after it. */
  const open = new Map<number, OffsetRange & { next: bigint; then: OffsetRange[] }>();
  for (const range of ranges) {
    const known = open.get(range.partition);
    if (known === undefined) open.set(range.partition, { ...range, next: range.start, then: [] });
    else known.then.push(range);
  }
  const chunks = new Channel<Required<HistoryChunk>>();

  function advance(partition: number, next: bigint): void {
    const range = open.get(partition);
    if (range === undefined || next <= range.next) return;
    range.next = next;
    chunks.touch();
    if (next < range.end) return;
    const [following, ...then] = range.then;
    if (following !== undefined) {
      open.set(partition, { ...following, next: following.start, then });
      consumer.seek({ topic, partition, offset: String(following.start) });
      return;
    }
    open.delete(partition);
    consumer.pause([{ topic, partitions: [partition] }]);
    if (open.size === 0) chunks.end();
  }

  async function eachBatch(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    const range = open.get(batch.partition);
    if (range === undefined || payload.isStale()) return;
    const wanted = batch.messages.filter(
      ({ offset }) => BigInt(offset) >= range.next && BigInt(offset) < range.end,
    );
    // Heartbeats continue while the reader computes between two chunks.
    const alive = setInterval(() => void payload.heartbeat().catch(() => undefined), 2_000);
    try {
      for (let start = 0; start < wanted.length; start += chunkRecords) {
        const chunk = wanted.slice(start, start + chunkRecords);
        const messages = toMessages(topic, batch.partition, chunk);
        const block = `${batch.partition}/${range.start}`;
        if (!(await chunks.send(Object.assign(messages, { block })))) return;
        advance(batch.partition, BigInt(chunk.at(-1)!.offset) + 1n);
      }
    } finally {
      clearInterval(alive);
    }
    // A seek to the next range is pending.
    if (open.get(batch.partition) !== range) return;
    payload.resolveOffset(batch.lastOffset());
    advance(batch.partition, BigInt(batch.lastOffset()) + 1n);
  }

  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    for (const partition of payload.memberAssignment[topic] ?? []) {
      const range = open.get(partition);
      if (range === undefined) consumer.pause([{ topic, partitions: [partition] }]);
      else consumer.seek({ topic, partition, offset: String(range.next) });
    }
  });
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
    // A batch that contains only transaction markers: kafkajs skips it without a call to eachBatch.
    if (payload.batchSize === 0) advance(payload.partition, BigInt(payload.lastOffset) + 1n);
  });
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart) chunks.fail(payload.error);
  });

  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch });
    yield* chunks.received(idleTimeoutMs);
    const unread = [...open.values()].flatMap(({ partition, next, end, then }) => [
      { partition, start: next, end },
      ...then,
    ]);
    if (unread.length > 0) onUnread?.(unread);
  } finally {
    chunks.end();
  }
}
