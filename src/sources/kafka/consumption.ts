/** Consumption of the batches that kafkajs fetches: chunk by chunk, with heartbeats, gaps counted and offsets resolved. */
import type { EachBatchPayload, Batch as KafkaBatch } from 'kafkajs';
import type { TopicAdmin } from '../../kafka/admin';
import type { Commits } from './commits';
import type { AssignedPartition, Chunk, Deliver } from './delivery';
import { Membership } from './membership';
import { missingBetween } from './offsets';
import type { KafkaSourceSettings, SessionOptions } from './settings';
import type { Watchdog } from './watchdog';

export interface ConsumptionParts extends Pick<SessionOptions, 'observer' | 'progress'> {
  settings: Pick<KafkaSourceSettings, 'topic' | 'maxBatchRecords' | 'sessionTimeoutMs'>;
  admin: Pick<TopicAdmin, 'fetchTopicOffsets'>;
  watchdog: Pick<Watchdog, 'moved'>;
  commits: Pick<Commits, 'handled' | 'flush' | 'flushIfDue'>;
  deliver: Deliver;
  /** The current assignment of a partition; each assignment creates another object. */
  assigned: (partition: number) => AssignedPartition | undefined;
  /** Called when kafkajs has reset its position to the oldest message. */
  onSetBack: () => void;
}

/** Handles one batch. Rejects with the error of a failed heartbeat, after which kafkajs joins the group again. */
export type Consume = (payload: EachBatchPayload) => Promise<void>;

export function createConsumption(parts: ConsumptionParts): Consume {
  const { settings, admin, observer, progress, watchdog, commits, deliver, assigned } = parts;
  const chunkSize = new ChunkSize(settings.maxBatchRecords, settings.sessionTimeoutMs / 6);

  /**
   * Counts unhandled messages before the batch that are lost: when retention has passed the next offset, kafkajs jumps to the
   * oldest message. Returns whether any messages are missing, warm-up included.
   */
  async function countGap(
    { next, assignment: { liveFrom } }: AssignedPartition,
    { partition }: KafkaBatch,
    first: bigint,
  ): Promise<boolean> {
    if (first <= next) return false;
    try {
      const bounds = await admin.fetchTopicOffsets(settings.topic);
      const low = BigInt(bounds.find((one) => one.partition === partition)?.low ?? 0);
      // Warm-up messages are handled already.
      const unhandled = missingBetween(next > liveFrom ? next : liveFrom, first, low);
      if (unhandled > 0n) observer.gap(unhandled);
      return missingBetween(next, first, low) > 0n;
    } catch (cause) {
      observer.error(new Error('size of an offset gap is unknown', { cause }));
      return false;
    }
  }

  /** Call when the chunk is handled. Its partition may belong to a later assignment by now. */
  function advance(partition: AssignedPartition, next: bigint): void {
    partition.next = next;
    watchdog.moved(partition.partition, next);
    // The offset counts even if the partition is no longer assigned, as its detections are written.
    if (next >= partition.assignment.liveFrom) progress.handled(partition.partition, next);
  }

  async function consumeChunks(
    payload: EachBatchPayload,
    partition: AssignedPartition,
    first: bigint,
    membership: Membership,
  ): Promise<void> {
    const gap = await countGap(partition, payload.batch, first);
    for (const chunk of chunksOf(payload.batch, partition, chunkSize, gap)) {
      const began = performance.now();
      const accepted = await deliver(chunk, membership);
      chunkSize.took(chunk.messages.length, performance.now() - began);
      if (!accepted) return;
      advance(partition, chunk.next);
      if (membership.isOutdated()) return;
      payload.resolveOffset(chunk.messages.at(-1)!.offset);
      if (chunk.next > partition.assignment.liveFrom) commits.handled(partition.partition, chunk.next);
      await commits.flushIfDue();
    }
  }

  return async (payload) => {
    const { batch } = payload;
    const partition = assigned(batch.partition);
    // The batch was fetched for an earlier assignment.
    if (partition === undefined) return;
    // A batch without messages, of transaction markers only, has no first offset.
    const first = BigInt(batch.firstOffset() ?? partition.next);
    if (first < partition.next) {
      parts.onSetBack();
      return;
    }
    const isOutdated = () => assigned(batch.partition) !== partition || payload.isStale();
    const heartbeat = () => payload.heartbeat();
    const membership = new Membership(heartbeat, isOutdated, settings.sessionTimeoutMs / 6);
    try {
      await consumeChunks(payload, partition, first, membership);
      // An outdated batch needs no error: the consumer has joined again, or will continue elsewhere.
      if (membership.failure === undefined || isOutdated()) return;
      await commits.flush();
      throw membership.failure;
    } finally {
      membership.stop();
    }
  };
}

/** Number of records of the first chunk, whose duration cannot be predicted. */
const firstChunkRecords = 100;

/**
 * The size of a chunk. A chunk of large images must not take longer than the session timeout of the group. The size at most
 * doubles from one chunk to the next, and shrinks at once.
 */
export class ChunkSize {
  private size: number;

  constructor(
    private readonly max: number,
    private readonly targetMs: number,
  ) {
    this.size = Math.min(max, firstChunkRecords);
  }

  /** Number of records of the next chunk. */
  current(): number {
    return this.size;
  }

  /** Call with the time that a chunk of `records` took. */
  took(records: number, ms: number): void {
    const fitting = Math.floor((records * this.targetMs) / Math.max(ms, 1));
    // A chunk that is smaller than allowed does not predict the time of a larger one.
    if (fitting >= this.size) {
      if (records >= this.size / 2) this.size = Math.min(this.max, 2 * this.size, fitting);
    } else this.size = Math.max(1, fitting);
  }
}

/** Divides a batch into chunks; the first one also covers the gap before the batch. */
function* chunksOf(
  batch: KafkaBatch,
  partition: AssignedPartition,
  chunkSize: ChunkSize,
  gap: boolean,
): Generator<Chunk> {
  for (let start = 0, size = 0; start < batch.messages.length; start += size) {
    size = chunkSize.current();
    const messages = batch.messages.slice(start, start + size);
    const isLast = start + size >= batch.messages.length;
    const last = messages.at(-1)!.offset;
    yield {
      partition,
      messages,
      // After the last message, kafkajs also skips messages that it has filtered out.
      next: BigInt(isLast ? batch.lastOffset() : last) + 1n,
      lag: Number(BigInt(batch.highWatermark) - 1n - BigInt(last)),
      gap: gap && start === 0,
    };
  }
}
