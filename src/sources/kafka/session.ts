/** One consumer from its connection to its end; kafka.ts builds the next one. */
import type { Consumer, EachBatchPayload, Kafka, Batch as KafkaBatch, KafkaMessage } from 'kafkajs';
import type { Origin } from '../../domain/record';
import { causesOf, isFenced } from '../../errors';
import { toError } from '../../system/error-text';
import { backOffMs, pause, settledWithin } from '../../system/pause';
import type { KafkaSourceSettings } from './kafka';
import { createTopicAdmin } from '../../kafka/admin';
import { unstableOffset } from '../../kafka/patches/stable-offsets';
import { beginReading, findPlace, missingBetween, type PartitionFacts, type Progress } from './offsets';
import { createWatchdog } from './watchdog';
import { timestampOf } from '../../kafka/patches/record-batch';
import type {
  Assignment,
  HandleBatch,
  Message,
  OffsetCommitter,
  RestartReason,
  RestorePoints,
  SourceObserver,
} from '../source';

/** A consumer has come to its end, and why; the next one has to be built. */
export class SessionEnd extends Error {
  override readonly name = 'SessionEnd';
  constructor(
    readonly reason: RestartReason,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

interface SessionOptions {
  kafka: Kafka;
  settings: KafkaSourceSettings;
  observer: SourceObserver;
  handle: HandleBatch;
  progress: Map<number, Progress>;
  restorePoints: RestorePoints;
  committer: OffsetCommitter | undefined;
  /** Aborted when the source shall stop. */
  signal: AbortSignal;
  stopTimeoutMs: number;
  commitIntervalMs: number;
  maxBackOffMs: number;
  stallTimeoutMs: number;
  report(ready: boolean, reason: string): void;
}

/** A partition from its assignment to the next rebalance. */
interface AssignedPartition {
  assignment: Assignment;
  /** Offset that should come next. */
  next: bigint;
  /** Whether the pipeline has taken a batch of it. */
  taken: boolean;
}

/** Messages of one fetch, on their way to the pipeline. */
interface Delivery {
  batch: KafkaBatch;
  partition: AssignedPartition;
  chunk: readonly KafkaMessage[];
  /** Where the partition goes on behind them. */
  next: bigint;
  /** Whether messages before the first one are gone. */
  gap: boolean;
}

const rebalanceTimeoutMs = 60_000;

/** A message as the pipeline sees it; key and origin are made for those alone that somebody asks for them. */
class ConsumedMessage implements Message {
  readonly value: Buffer | null;
  readonly timestamp: number;

  constructor(
    private readonly topic: string,
    private readonly partition: number,
    private readonly message: KafkaMessage,
    readonly warmUp: boolean,
  ) {
    this.value = message.value;
    this.timestamp = timestampOf(message);
  }

  get key(): Buffer | null {
    return this.message.key;
  }

  get origin(): Origin {
    return { topic: this.topic, partition: this.partition, offset: this.message.offset };
  }
}

export function toMessage(topic: string, partition: number, message: KafkaMessage, warmUp: boolean): Message {
  return new ConsumedMessage(topic, partition, message, warmUp);
}

/**
 * Consumes until the signal is aborted; rejects when the consumer has come to its end otherwise, after it has been taken down.
 * @throws SessionEnd; or, where there was no connection to begin with, what kafkajs says of that
 */
export async function runKafkaSession(options: SessionOptions): Promise<void> {
  const { kafka, settings, observer, handle, progress, restorePoints, committer, signal } = options;
  const { topic, groupId } = settings;

  const consumer = kafka.consumer({
    groupId,
    sessionTimeout: settings.sessionTimeoutMs,
    rebalanceTimeout: Math.max(rebalanceTimeoutMs, settings.sessionTimeoutMs),
    heartbeatInterval: Math.floor(settings.sessionTimeoutMs / 3),
    maxWaitTimeInMs: 500,
    allowAutoTopicCreation: false,
    retry: { restartOnFailure: () => Promise.resolve(false) },
  });
  const admin = createTopicAdmin(kafka);

  /** Replaced at every assignment: work on an older one notices that it is no longer current. */
  let assigned = new Map<number, AssignedPartition>();
  let generation = 0;
  /** Handled and not yet committed, by partition. */
  const uncommitted = new Map<number, bigint>();
  /** The group's offsets, by partition, as the broker has confirmed them. */
  const confirmed = new Map<number, bigint>();
  let committing = Promise.resolve();
  let committedAt = Date.now();
  let underWay: Promise<void> | undefined;
  const watchdog = createWatchdog({
    stallTimeoutMs: options.stallTimeoutMs,
    joinTimeoutMs: Math.max(rebalanceTimeoutMs, settings.sessionTimeoutMs) + settings.sessionTimeoutMs,
  });
  /** The session is over; a consumer that could not be taken down in time does nothing any more. */
  let closed = false;

  async function commitNow(): Promise<void> {
    if (uncommitted.size === 0) return;
    const handled = [...uncommitted];
    committedAt = Date.now();
    try {
      await consumer.commitOffsets(
        handled.map(([partition, offset]) => ({ topic, partition, offset: String(offset) })),
      );
      for (const [partition, offset] of handled) {
        confirmed.set(partition, offset);
        progress.set(partition, { position: progress.get(partition)?.position ?? offset, committed: true });
        if (uncommitted.get(partition) === offset) uncommitted.delete(partition);
      }
    } catch (cause) {
      // Whether the membership is lost the next heartbeat says; what is not committed stays in the list.
      observer.error(new Error('offsets could not be committed', { cause }));
    }
  }

  /** One after the other: a commit that is retried must not land behind a newer one. */
  function commit(): Promise<void> {
    committing = committing.then(commitNow);
    return committing;
  }

  /** Finds out where each partition begins, and lets it flow. Until then they are paused. */
  async function prepare(partitions: readonly number[], mine: number): Promise<void> {
    // A batch of the assignment before, which may still be under way beside a join, says how far this process has come.
    await underWay?.catch(() => undefined);
    restorePoints.keepOnly(partitions);
    for (let attempt = 0; mine === generation && !signal.aborted; attempt++) {
      try {
        // Before the offsets are read: what another process has under way either counts by now, or never will.
        await committer?.fence(partitions);
        const [committed, bounds] = await Promise.all([
          admin.fetchOffsets({ groupId, topics: [topic] }),
          admin.fetchTopicOffsets(topic),
        ]);
        const offsets = committed[0]?.partitions.filter((p) => partitions.includes(p.partition)) ?? [];
        if (offsets.some(({ offset }) => offset === unstableOffset))
          throw new Error('a transaction of whoever had a partition before is still being finished');
        const committedByPartition = new Map(offsets.map((p) => [p.partition, BigInt(p.offset)]));
        const boundsByPartition = new Map(
          bounds.map((p) => [p.partition, { low: BigInt(p.low), high: BigInt(p.high) }]),
        );
        const plans = await Promise.all(
          partitions.map((partition) => {
            const bound = boundsByPartition.get(partition);
            if (bound === undefined)
              throw new Error(`topic "${topic}" has no partition ${partition} any more`);
            const known = progress.get(partition);
            return plan(partition, {
              ...bound,
              committed: committedByPartition.get(partition) ?? -1n,
              known,
            });
          }),
        );
        // Asked just before: what is committed for an assignment that is over would undo what came later.
        if (mine !== generation) return;
        await Promise.all(plans.map(({ place }) => place()));
        if (mine !== generation) return;
        for (const { begin } of plans) begin();
        watchdog.reading(new Map([...assigned].map(([partition, { next }]) => [partition, next])));
        consumer.resume([{ topic, partitions: [...partitions] }]);
        options.report(
          true,
          partitions.length === 0 ? 'in the group, without partitions' : 'partitions assigned',
        );
        observer.info('partitions assigned', { topic, groupId, partitions });
        void commit();
        return;
      } catch (cause) {
        if (mine !== generation) return;
        observer.error(new Error('partitions could not be taken over', { cause }));
        await pause(backOffMs(attempt, options.maxBackOffMs), signal);
      }
    }
  }

  /** How to put the group where a partition begins, and how to begin: at once for all, so that none flows before all are known. */
  async function plan(
    partition: number,
    facts: PartitionFacts,
  ): Promise<{ place: () => Promise<void>; begin: () => void }> {
    const { liveFrom, processedBefore, missing, restarted } = findPlace(facts, settings);
    const after =
      processedBefore && !restarted ? await restorePoints.restorePoint(partition, liveFrom) : undefined;
    const from = beginReading(liveFrom, facts.low, after, settings.warmUpRecords);
    // From now on the group has its place: one that begins at the latest keeps it also when it ends before the first
    // message, and a gap is counted once.
    const isToBePlaced = liveFrom !== facts.committed;
    const place = async (): Promise<void> => {
      if (isToBePlaced) await committer?.commitStartOffset(partition, liveFrom);
    };
    const begin = (): void => {
      assigned.set(partition, {
        assignment: { from, liveFrom, after, processedBefore },
        next: from,
        taken: false,
      });
      confirmed.set(partition, facts.committed);
      consumer.seek({ topic, partition, offset: String(from) });
      if (missing > 0n) observer.gap(missing);
      if (restarted) {
        progress.delete(partition);
        const { low, high, committed } = facts;
        observer.info('topic was made anew, or cut', {
          topic,
          partition,
          ...asText({ low, high, committed, liveFrom }),
        });
      }
      if (isToBePlaced) settle(partition, liveFrom);
    };
    return { place, begin };
  }

  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    // Runs before kafkajs fetches for the new assignment, so nothing arrives that has not been prepared.
    const partitions = payload.memberAssignment[topic] ?? [];
    assigned = new Map();
    uncommitted.clear();
    consumer.pause([{ topic, partitions }]);
    if (closed) return;
    options.report(false, 'reading the committed offsets');
    void prepare(partitions, ++generation);
  });
  consumer.on(consumer.events.REBALANCING, () => {
    // Goes out before the request to join again, which first has to look for the coordinator.
    void commit();
    watchdog.joining();
  });
  consumer.on(consumer.events.FETCH, () => {
    watchdog.fetched();
    if (!closed) observer.fetched?.();
  });
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
    // Nothing but markers of transactions: kafkajs has moved on without a call to eachBatch.
    if (payload.batchSize === 0) watchdog.moved(payload.partition, BigInt(payload.lastOffset) + 1n);
  });

  async function eachBatch(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    const partition = assigned.get(batch.partition);
    // Fetched for an older assignment: it must not move the position of this one.
    if (partition === undefined) return;
    if (BigInt(batch.firstOffset() ?? partition.next) < partition.next) {
      // A kafkajs that begins with the oldest by itself: what comes now is not what it seems.
      fail(
        new SessionEnd('out_of_range', `topic "${topic}" begins before the offset that was to be read next`),
      );
      return;
    }
    const current = () => assigned.get(batch.partition) === partition && !payload.isStale();
    const keptAlive = keepAlive(payload, settings.sessionTimeoutMs / 6);
    try {
      let gap = await countGap(partition, batch);
      for (const chunk of chunks(batch.messages, settings.maxBatchRecords)) {
        const last = chunk.at(-1)!;
        // Behind the last message kafkajs also resolves what it filtered out (markers of transactions).
        const next = BigInt(last === batch.messages.at(-1) ? batch.lastOffset() : last.offset) + 1n;
        const given = { batch, partition, chunk, next, gap };
        if (!(await deliver(given, () => current() && !keptAlive.failed(), keptAlive.check))) break;
        gap = false;
        partition.next = next;
        watchdog.moved(batch.partition, next);
        advance(batch.partition, partition);
        if (!current()) return;
        payload.resolveOffset(last.offset);
        if (next > partition.assignment.liveFrom) settle(batch.partition, next);
        if (Date.now() - committedAt >= options.commitIntervalMs) await commit();
      }
      if (keptAlive.failed()) {
        await commit();
        // kafkajs joins the group again on this one.
        throw keptAlive.failed() as Error;
      }
    } finally {
      keptAlive.end();
    }
  }

  /** Also for a partition that is no longer assigned: the verdicts are out all the same. */
  function advance(partition: number, { next, assignment }: AssignedPartition): void {
    if (next < assignment.liveFrom) return;
    progress.set(partition, { position: next, committed: progress.get(partition)?.committed ?? false });
  }

  /** What has been handled is committed by now, with its verdicts, or has to be. */
  function settle(partition: number, next: bigint): void {
    if (committer === undefined) {
      uncommitted.set(partition, next);
      return;
    }
    confirmed.set(partition, next);
    progress.set(partition, { position: progress.get(partition)?.position ?? next, committed: true });
  }

  /** Whether the pipeline has taken the chunk; false when it has not and may no longer be asked. */
  async function deliver(
    { batch, partition, chunk, next, gap }: Delivery,
    mayDeliver: () => boolean,
    checkMembership: () => Promise<void>,
  ): Promise<boolean> {
    const { assignment } = partition;
    // Offsets ascend: behind the first message that is live all are.
    let warmUp = true;
    const messages = chunk.map((message) => {
      warmUp &&= BigInt(message.offset) < assignment.liveFrom;
      return toMessage(topic, batch.partition, message, warmUp);
    });
    const lag = Number(BigInt(batch.highWatermark) - 1n - BigInt(chunk.at(-1)!.offset));
    for (let attempt = 0; mayDeliver() && !signal.aborted; attempt++) {
      try {
        const handled = handle({
          topic,
          partition: batch.partition,
          messages,
          lag,
          assignment: partition.taken ? undefined : assignment,
          committed: confirmed.get(batch.partition),
          next: next > assignment.liveFrom ? next : undefined,
          gap,
        }).then(() => (partition.taken = true));
        return await Promise.race([handled, abandoned]);
      } catch (cause) {
        // Asked again from here, not by an error to kafkajs: that would cost the membership when it lasts.
        observer.error(toError(cause));
        if (isFenced(cause)) {
          fail(new SessionEnd('fenced', 'another member has gone on in a partition of this one', { cause }));
          return false;
        }
        // Who was paused for long may have been shut out, and must not come back by shutting out the next one.
        if (committer !== undefined) await checkMembership();
        await pause(backOffMs(attempt, options.maxBackOffMs), signal);
      }
    }
    return false;
  }

  /** kafkajs jumps to the oldest message in silence when retention has overtaken the consumer. Returns whether it has. */
  async function countGap({ next, assignment }: AssignedPartition, batch: KafkaBatch): Promise<boolean> {
    const first = BigInt(batch.firstOffset() ?? next);
    if (first <= next) return false;
    try {
      const bound = (await admin.fetchTopicOffsets(topic)).find((p) => p.partition === batch.partition);
      const low = BigInt(bound?.low ?? 0);
      // What is read for the second time only is lost to the windows alone.
      const expected = next > assignment.liveFrom ? next : assignment.liveFrom;
      const missing = missingBetween(expected, first, low);
      if (missing > 0n) observer.gap(missing);
      return missingBetween(next, first, low) > 0n;
    } catch (cause) {
      observer.error(new Error('a gap in the offsets could not be measured', { cause }));
      return false;
    }
  }

  let abandon: () => void = () => undefined;
  /** Resolves when the batch under way shall not be waited for any longer. */
  const abandoned = new Promise<false>((resolve) => {
    abandon = () => resolve(false);
  });
  const crashed = new Promise<never>((_, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(crash(payload.error)));
  });
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<void>((resolve) => {
    onAbort = resolve;
    if (signal.aborted) resolve();
    // The signal is for all sessions: what this one adds it takes away.
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  let fail: (error: Error) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => (fail = reject));
  const ended = Promise.race([aborted, crashed, failed]);
  ended.catch(() => undefined);

  const timer = setInterval(() => {
    if (Date.now() - committedAt >= options.commitIntervalMs) void commit();
    if (underWay === undefined && watchdog.isSilent()) {
      fail(new SessionEnd('stalled', 'the Kafka consumer has stopped fetching'));
    }
  }, options.commitIntervalMs);
  const stallTimer = setInterval(() => void lookForStuck(), options.stallTimeoutMs / 2);

  /** The end of a partition is what a reader of committed messages gets to, so an open transaction is no stall. */
  async function lookForStuck(): Promise<void> {
    if (assigned.size === 0) return;
    const mine = generation;
    // Who cannot be asked will not answer the consumer either, which says so by itself.
    const bounds = await admin.fetchTopicOffsets(topic).catch(() => []);
    if (mine !== generation || underWay !== undefined || closed) return;
    const stuck = watchdog.stuck(new Map(bounds.map(({ partition, high }) => [partition, BigInt(high)])));
    if (stuck.length > 0)
      fail(
        new SessionEnd(
          'stalled',
          `nothing has come for ${options.stallTimeoutMs} ms from partition ${stuck.join(', ')} of "${topic}", where there is something`,
        ),
      );
  }

  async function start(): Promise<void> {
    options.report(false, 'connecting to Kafka');
    await Promise.all([admin.connect(), consumer.connect()]);
    // Where it does not know better kafkajs shall begin with the oldest message; `startFrom` is for `findPlace`.
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    if (signal.aborted) return;
    options.report(false, 'joining the group');
    watchdog.joining();
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: 1,
      eachBatch(payload) {
        const work = eachBatch(payload).finally(() => (underWay = undefined));
        return (underWay = work);
      },
    });
  }

  const starting = start();
  try {
    await Promise.race([starting, ended]);
    await ended;
  } finally {
    clearInterval(timer);
    clearInterval(stallTimer);
    signal.removeEventListener('abort', onAbort);
    await settledWithin(starting, options.stopTimeoutMs);
    await windDown(consumer);
    generation++;
    closed = true;
    assigned = new Map();
    await settledWithin(
      Promise.allSettled([consumer.disconnect(), admin.disconnect()]),
      options.stopTimeoutMs,
    );
  }

  async function windDown(of: Consumer): Promise<void> {
    if (generation === 0) return;
    try {
      of.pause([{ topic }]);
    } catch {
      // A crashed consumer has nothing to pause, and nothing to commit with.
      return;
    }
    if (underWay !== undefined && !(await settledWithin(underWay, options.stopTimeoutMs))) {
      observer.error(new Error('the batch under way did not end in time; it will come again'));
      // kafkajs waits for eachBatch, and leaves the group only behind it.
      abandon();
      await underWay;
    }
    await settledWithin(commit(), options.stopTimeoutMs);
  }
}

/** Of the many ways in which kafkajs gives up, those that more time may cure: it has tried again, and not for long. */
function crash(error: Error): SessionEnd {
  const { name, retriable } = error as { name: string; retriable?: boolean };
  // kafkajs' retries wrap what they give up on.
  if ([...causesOf(error)].some((cause) => cause.name === 'KafkaJSOffsetOutOfRange'))
    return new SessionEnd('out_of_range', 'a broker has nothing at the offset that was to be read next', {
      cause: error,
    });
  const gaveUp = name === 'KafkaJSNumberOfRetriesExceeded' || retriable === true;
  return new SessionEnd(
    gaveUp ? 'unreachable' : 'crashed',
    // In one line, for whoever asks why it is not ready.
    `${gaveUp ? 'Kafka was asked in vain' : 'the Kafka consumer has crashed'}: ${error.message}`,
    { cause: error },
  );
}

/** Heartbeats while a batch is under way; the first failure is kept, because the batch is finished before it counts. */
function keepAlive(payload: EachBatchPayload, intervalMs: number) {
  let failure: unknown;
  const check = () =>
    payload.heartbeat().catch((error: unknown) => {
      failure ??= error;
    });
  const timer = setInterval(() => void check(), intervalMs);
  return { check, failed: () => failure, end: () => clearInterval(timer) };
}

function* chunks<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}

function asText(known: Record<string, bigint>): Record<string, string> {
  return Object.fromEntries(Object.entries(known).map(([name, offset]) => [name, String(offset)]));
}
