/** Consumption of the batches that kafkajs fetches: chunk by chunk, with heartbeats, gaps counted and offsets resolved. */
import type { EachBatchPayload, Batch as KafkaBatch } from 'kafkajs';
import type { TopicAdmin } from '../../kafka/admin';
import type { SourceObserver } from '../source';
import type { Commits } from './commits';
import type { AssignedPartition, Chunk, Deliver } from './delivery';
import { measureGap } from './gaps';
import { startHeartbeats, type Heartbeats } from './heartbeats';
import type { TopicProgress } from './progress';
import type { KafkaSourceSettings } from './settings';
import type { Watchdog } from './watchdog';

export interface ConsumptionParts {
  settings: Pick<KafkaSourceSettings, 'topic' | 'maxBatchRecords' | 'sessionTimeoutMs'>;
  admin: Pick<TopicAdmin, 'fetchTopicOffsets'>;
  observer: SourceObserver;
  progress: TopicProgress;
  watchdog: Pick<Watchdog, 'moved'>;
  commits: Commits;
  deliver: Deliver;
  /** A partition of the current assignment; another object after each assignment. */
  assigned: (partition: number) => AssignedPartition | undefined;
  /** kafkajs has set itself back to the oldest message. */
  onSetBack: () => void;
}

/** Handles one batch; rejects with the failed heartbeat, on which kafkajs joins the group again. */
export type Consume = (payload: EachBatchPayload) => Promise<void>;

export function createConsumption(parts: ConsumptionParts): Consume {
  const { settings, observer, progress, watchdog, commits, deliver, assigned } = parts;

  /** Returns whether the window of the partition has a gap before the batch. */
  async function countGap(partition: AssignedPartition, batch: KafkaBatch): Promise<boolean> {
    try {
      const gap = await measureGap(parts.admin, {
        topic: settings.topic,
        partition: batch.partition,
        next: partition.next,
        first: firstOffsetOf(batch, partition),
        liveFrom: partition.assignment.liveFrom,
      });
      if (gap.unhandled > 0n) observer.gap(gap.unhandled);
      return gap.inWindow;
    } catch (cause) {
      observer.error(new Error('size of an offset gap is unknown', { cause }));
      return false;
    }
  }

  /** The chunk is handled; its partition may belong to a later assignment by now. */
  function advance(partition: AssignedPartition, next: bigint): void {
    partition.next = next;
    watchdog.moved(partition.partition, next);
    // Also for a partition that is no longer assigned: its detections are written.
    if (next >= partition.assignment.liveFrom) progress.handled(partition.partition, next);
  }

  async function consumeChunks(
    payload: EachBatchPayload,
    partition: AssignedPartition,
    isOutdated: () => boolean,
    heartbeats: Heartbeats,
  ): Promise<void> {
    const membership = {
      isLost: () => isOutdated() || heartbeats.failure() !== undefined,
      check: () => heartbeats.check(),
    };
    const gap = await countGap(partition, payload.batch);
    for (const chunk of chunksOf(payload.batch, partition, settings.maxBatchRecords, gap)) {
      if (!(await deliver(chunk, membership))) return;
      advance(partition, chunk.next);
      if (isOutdated()) return;
      payload.resolveOffset(chunk.messages.at(-1)!.offset);
      if (chunk.next > partition.assignment.liveFrom) commits.handled(partition.partition, chunk.next);
      await commits.flushIfDue();
    }
  }

  return async (payload) => {
    const { batch } = payload;
    const partition = assigned(batch.partition);
    // Fetched for an earlier assignment.
    if (partition === undefined) return;
    if (firstOffsetOf(batch, partition) < partition.next) {
      parts.onSetBack();
      return;
    }
    const isOutdated = () => assigned(batch.partition) !== partition || payload.isStale();
    const heartbeats = startHeartbeats(() => payload.heartbeat(), settings.sessionTimeoutMs / 6);
    try {
      await consumeChunks(payload, partition, isOutdated, heartbeats);
      const failure = heartbeats.failure();
      // If outdated, the consumer has joined again, or is about to continue elsewhere.
      if (failure === undefined || isOutdated()) return;
      await commits.flush();
      throw failure;
    } finally {
      heartbeats.stop();
    }
  };
}

/** A batch without messages, of transaction markers only, has no first offset. */
function firstOffsetOf(batch: KafkaBatch, { next }: AssignedPartition): bigint {
  return BigInt(batch.firstOffset() ?? next);
}

/** The messages of a batch in chunks of `size`, the first with the gap before the batch. */
function* chunksOf(
  batch: KafkaBatch,
  partition: AssignedPartition,
  size: number,
  gap: boolean,
): Generator<Chunk> {
  for (let start = 0; start < batch.messages.length; start += size) {
    const messages = batch.messages.slice(start, start + size);
    const isLast = start + size >= batch.messages.length;
    const last = messages.at(-1)!.offset;
    yield {
      partition,
      messages,
      // After the last message kafkajs also skips the messages that it has filtered out.
      next: BigInt(isLast ? batch.lastOffset() : last) + 1n,
      lag: Number(BigInt(batch.highWatermark) - 1n - BigInt(last)),
      gap: gap && start === 0,
    };
  }
}
