/** Past messages of a Kafka topic, read beside the live consumer. */
import { randomUUID } from 'node:crypto';
import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs';
import { settledWithin } from '../../system/pause';
import { createTopicAdmin, type TopicAdmin } from '../../kafka/admin';
import type { HistoryChunk, HistoryRange, ReadHistory } from '../history';
import { keepBlocks } from './offsets';
import type { OffsetRange } from './offsets';
import { toMessages } from './messages';

export interface KafkaHistoryOptions {
  kafka: Kafka;
  settings: { topic: string; groupId: string };
  /** Messages per chunk, at most. */
  chunkRecords?: number;
  /** Ends the reading when nothing has come for this long, ms: the rest may be held by an open transaction. */
  idleTimeoutMs?: number;
  /** Called where the reading ends like that: what has not been read, each from its next offset on. */
  onUnread?: ((ranges: readonly OffsetRange[]) => void) | undefined;
}

/** How long to wait for kafkajs to take the throw-away group down, ms. */
const endTimeoutMs = 5_000;

/** How often a consumer that failed on something passing, such as a coordinator that is just being loaded, begins again. */
const maxRestarts = 5;

/**
 * Reads a topic by message time, up to what it holds when the reading starts. A consumer group of its own is used
 * and deleted afterwards; it commits nothing, so the live group does not notice. The iteration rejects when Kafka
 * cannot be read.
 */
export function createKafkaHistory(options: KafkaHistoryOptions): ReadHistory {
  return async function* readHistory(range) {
    const { maxRecords, blocks = 1, onShare } = range;
    const all = await findRanges(options.kafka, options.settings.topic, range);
    const ranges = keepBlocks(all, maxRecords, blocks);
    onShare?.(blocks === 1 ? 1 : shareOf(ranges, all));
    for await (const messages of readKafkaRanges(options, ranges)) {
      const wanted = messages.filter((m) => isWithin(m.timestamp, range));
      if (wanted.length > 0) yield Object.assign(wanted, { block: messages.block });
    }
  };
}

function shareOf(some: readonly OffsetRange[], all: readonly OffsetRange[]): number {
  const count = (ranges: readonly OffsetRange[]) =>
    ranges.reduce((sum, { start, end }) => sum + Number(end - start), 0);
  return count(all) === 0 ? 1 : count(some) / count(all);
}

/** The offsets of each partition between two message times, up to what it holds now. */
export async function findRanges(
  kafka: Kafka,
  topic: string,
  range: Pick<HistoryRange, 'from' | 'to'>,
): Promise<OffsetRange[]> {
  const admin = createTopicAdmin(kafka);
  await admin.connect();
  try {
    return await offsetRanges(admin, topic, range);
  } finally {
    await settledWithin(admin.disconnect(), endTimeoutMs);
  }
}

/**
 * Everything between these offsets that is still there, in chunks of one range each, in order within a partition; the ranges of
 * a partition rise.
 */
export async function* readKafkaRanges(
  { kafka, settings, chunkRecords = 1_000, idleTimeoutMs = 10_000, onUnread }: KafkaHistoryOptions,
  wanted: readonly OffsetRange[],
): AsyncGenerator<Required<HistoryChunk>> {
  const { topic } = settings;
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
    yield* readRanges({ consumer, topic, ranges, chunkRecords, idleTimeoutMs, onUnread });
  } finally {
    await settledWithin(consumer.disconnect(), endTimeoutMs);
    // The broker itself drops an empty group without offsets, so a failure here costs nothing.
    await settledWithin(admin.deleteGroups([groupId]), endTimeoutMs);
    await settledWithin(admin.disconnect(), endTimeoutMs);
  }
}

/** Message times need not rise with the offsets, so a range of offsets alone may hold strangers. */
function isWithin(timestamp: number, { from, to }: HistoryRange): boolean {
  return (from === undefined || timestamp >= from) && (to === undefined || timestamp < to);
}

async function offsetRanges(
  admin: TopicAdmin,
  topic: string,
  { from, to }: Pick<HistoryRange, 'from' | 'to'>,
): Promise<OffsetRange[]> {
  const bounds = await admin.fetchTopicOffsets(topic);
  // For a time behind the newest message both calls answer with the end of the partition.
  const starts = from === undefined ? undefined : await admin.fetchTopicOffsetsByTimestamp(topic, from);
  const ends = to === undefined ? undefined : await admin.fetchTopicOffsetsByTimestamp(topic, to);
  const offsetOf = (seek: typeof starts, partition: number, fallback: string) =>
    BigInt(seek?.find((entry) => entry.partition === partition)?.offset ?? fallback);
  return bounds.map(({ partition, low, high }) => {
    const end = offsetOf(ends, partition, high);
    return {
      partition,
      start: offsetOf(starts, partition, low),
      end: end < BigInt(high) ? end : BigInt(high),
    };
  });
}

interface Reading {
  consumer: Consumer;
  topic: string;
  ranges: readonly OffsetRange[];
  chunkRecords: number;
  idleTimeoutMs: number;
  onUnread: KafkaHistoryOptions['onUnread'];
}

/** Chunks of all ranges, in order within each; one at a time is on its way, so a slow reader slows the fetching. */
async function* readRanges(reading: Reading): AsyncGenerator<Required<HistoryChunk>> {
  const { consumer, topic, ranges, chunkRecords, idleTimeoutMs, onUnread } = reading;
  /** By partition that is not at its end yet: what is read of it now, and the ranges behind that. */
  const open = new Map<number, { start: bigint; next: bigint; end: bigint; then: OffsetRange[] }>();
  for (const { partition, start, end } of ranges) {
    const known = open.get(partition);
    if (known === undefined) open.set(partition, { start, next: start, end, then: [] });
    else known.then.push({ partition, start, end });
  }
  const handOver = createHandOver<Required<HistoryChunk>>();

  function advance(partition: number, next: bigint): void {
    const range = open.get(partition);
    if (range === undefined || next <= range.next) return;
    range.next = next;
    handOver.touch();
    if (next < range.end) return;
    const following = range.then.shift();
    if (following !== undefined) {
      const { start, end } = following;
      open.set(partition, { start, next: start, end, then: range.then });
      consumer.seek({ topic, partition, offset: String(start) });
      return;
    }
    open.delete(partition);
    consumer.pause([{ topic, partitions: [partition] }]);
    if (open.size === 0) handOver.end();
  }

  async function eachBatch(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    const range = open.get(batch.partition);
    if (range === undefined || payload.isStale()) return;
    const wanted = batch.messages.filter(
      ({ offset }) => BigInt(offset) >= range.next && BigInt(offset) < range.end,
    );
    // A reader that computes between two chunks must not cost the membership.
    const alive = setInterval(() => void payload.heartbeat().catch(() => undefined), 2_000);
    try {
      for (let start = 0; start < wanted.length; start += chunkRecords) {
        const chunk = wanted.slice(start, start + chunkRecords);
        const messages = toMessages(topic, batch.partition, chunk);
        const block = `${batch.partition}/${range.start}`;
        if (!(await handOver.give(Object.assign(messages, { block })))) return;
        advance(batch.partition, BigInt(chunk.at(-1)!.offset) + 1n);
      }
    } finally {
      clearInterval(alive);
    }
    // It goes on elsewhere, behind a seek.
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
    // Nothing but markers of transactions: kafkajs has moved on without a call to eachBatch.
    if (payload.batchSize === 0) advance(payload.partition, BigInt(payload.lastOffset) + 1n);
  });
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart) handOver.fail(payload.error);
  });

  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch });
    yield* handOver.taken(idleTimeoutMs);
    if (open.size > 0)
      onUnread?.(
        [...open].flatMap(([partition, { next, end, then }]) => [{ partition, start: next, end }, ...then]),
      );
  } finally {
    handOver.end();
  }
}

/** Hands items from a producer that calls to a consumer that iterates; `give` resolves when the item has been used. */
function createHandOver<T>() {
  const waiting: { item: T; used: (used: boolean) => void }[] = [];
  let ended = false;
  let failure: Error | undefined;
  let movedAt = Date.now();
  let wake: () => void = () => undefined;

  function end(): void {
    ended = true;
    wake();
  }

  return {
    /** False when nobody will use it any more. */
    give(item: T): Promise<boolean> {
      if (ended) return Promise.resolve(false);
      return new Promise((used) => {
        waiting.push({ item, used });
        wake();
      });
    },
    /** Something has moved, if not an item. */
    touch() {
      movedAt = Date.now();
    },
    end,
    fail(error: Error) {
      failure ??= error;
      end();
    },
    async *taken(idleTimeoutMs: number): AsyncGenerator<T> {
      movedAt = Date.now();
      try {
        for (;;) {
          const next = waiting[0];
          if (next !== undefined) {
            yield next.item;
            movedAt = Date.now();
            waiting.shift();
            next.used(true);
            // What the giver does with that (the next item, or the end) is to be seen before waiting.
            await new Promise(setImmediate);
            continue;
          }
          if (failure !== undefined) throw failure;
          const leftMs = movedAt + idleTimeoutMs - Date.now();
          if (ended || leftMs <= 0) return;
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, leftMs);
            wake = () => {
              clearTimeout(timer);
              resolve();
            };
          });
        }
      } finally {
        ended = true;
        for (const { used } of waiting.splice(0)) used(false);
      }
    },
  };
}
