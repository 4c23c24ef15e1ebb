/** One consumer from its connection to its end; kafka.ts builds the next one. */
import type { Consumer, EachBatchPayload, Kafka, Batch as KafkaBatch, KafkaMessage } from 'kafkajs';
import { backOffMs, pause, settledWithin } from './back-off';
import type { KafkaSourceSettings } from './kafka';
import { missingBetween, planStart } from './kafka-offsets';
import type { HandleBatch, Message, SourceObserver } from './source';

interface SessionOptions {
  kafka: Kafka;
  settings: KafkaSourceSettings;
  observer: SourceObserver;
  handle: HandleBatch;
  positions: Map<number, bigint>;
  storedOffset(partition: number): Promise<bigint | undefined>;
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
  /** First offset to be read. */
  from: bigint;
  /** Offset that should come next. */
  next: bigint;
  /** Messages below this one refill windows. */
  liveFrom: bigint;
  /** Whether the pipeline has taken a batch of it. */
  begun: boolean;
}

const rebalanceTimeoutMs = 60_000;

/** A message as the pipeline sees it. */
export function toMessage(topic: string, partition: number, message: KafkaMessage, refill: boolean): Message {
  return {
    key: message.key,
    value: message.value,
    timestamp: Number(message.timestamp),
    origin: { topic, partition, offset: message.offset },
    refill,
  };
}

/** Consumes until the signal is aborted; rejects when the consumer crashed or stalled, after it has been taken down. */
export async function runKafkaSession(options: SessionOptions): Promise<void> {
  const { kafka, settings, observer, handle, positions, signal } = options;
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
  const admin = kafka.admin();

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
  let fetchedAt = Date.now();

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
    for (let attempt = 0; mine === generation && !signal.aborted; attempt++) {
      try {
        const [committed, bounds, stored] = await Promise.all([
          admin.fetchOffsets({ groupId, topics: [topic] }),
          admin.fetchTopicOffsets(topic),
          Promise.all(partitions.map((partition) => options.storedOffset(partition))),
        ]);
        if (mine !== generation) return;
        const committedByPartition = new Map(
          committed[0]?.partitions.map((p) => [p.partition, BigInt(p.offset)]),
        );
        const boundsByPartition = new Map(
          bounds.map((p) => [p.partition, { low: BigInt(p.low), high: BigInt(p.high) }]),
        );
        for (const [i, partition] of partitions.entries()) {
          const bound = boundsByPartition.get(partition);
          if (bound === undefined) throw new Error(`topic "${topic}" has no partition ${partition} any more`);
          begin(partition, { ...bound, committed: committedByPartition.get(partition) ?? -1n }, stored[i]);
        }
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
        observer.error(new Error('committed offsets could not be read', { cause }));
        await pause(backOffMs(attempt, options.maxBackOffMs), signal);
      }
    }
  }

  function begin(
    partition: number,
    known: { low: bigint; high: bigint; committed: bigint },
    stored: bigint | undefined,
  ): void {
    const plan = planStart({ ...known, position: positions.get(partition), stored }, settings);
    const { from, liveFrom } = plan;
    assigned.set(partition, { from, next: from, liveFrom, begun: false });
    confirmed.set(partition, known.committed);
    consumer.seek({ topic, partition, offset: String(plan.from) });
    if (plan.missing > 0n) observer.gap(plan.missing);
    if (plan.restarted) {
      positions.delete(partition);
      observer.info('committed offset lies beyond the end of the topic', {
        topic,
        partition,
        ...asText(known),
      });
    }
    // From now on the group has its place: one that begins at the latest keeps it also when it ends before the first
    // message, and a gap is counted once.
    if (plan.liveFrom !== known.committed) uncommitted.set(partition, plan.liveFrom);
  }

  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    // Runs before kafkajs fetches for the new assignment, so nothing arrives that has not been prepared.
    const partitions = payload.memberAssignment[topic] ?? [];
    assigned = new Map();
    uncommitted.clear();
    consumer.pause([{ topic, partitions }]);
    options.report(false, 'reading the committed offsets');
    void prepare(partitions, ++generation);
  });
  consumer.on(consumer.events.REBALANCING, () => {
    // Goes out before the request to join again, which first has to look for the coordinator.
    void commit();
  });
  consumer.on(consumer.events.FETCH, () => {
    fetchedAt = Date.now();
  });

  async function eachBatch(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    const partition = assigned.get(batch.partition);
    // Fetched for an older assignment: it must not move the position of this one.
    if (partition === undefined) return;
    const current = () => assigned.get(batch.partition) === partition && !payload.isStale();
    const keptAlive = keepAlive(payload, settings.sessionTimeoutMs / 6);
    try {
      await countGap(partition, batch);
      for (const chunk of chunks(batch.messages, settings.maxBatchRecords)) {
        if (!(await deliver(batch, partition, chunk, () => current() && !keptAlive.failed()))) break;
        if (!current()) return;
        const last = chunk.at(-1)!;
        payload.resolveOffset(last.offset);
        // Behind the last message kafkajs also resolves what it filtered out (markers of transactions).
        partition.next = BigInt(last === batch.messages.at(-1) ? batch.lastOffset() : last.offset) + 1n;
        if (partition.next >= partition.liveFrom) positions.set(batch.partition, partition.next);
        if (partition.next > partition.liveFrom) uncommitted.set(batch.partition, partition.next);
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

  /** Whether the pipeline has taken the chunk; false when it has not and may no longer be asked. */
  async function deliver(
    batch: KafkaBatch,
    partition: AssignedPartition,
    chunk: readonly KafkaMessage[],
    mayDeliver: () => boolean,
  ): Promise<boolean> {
    const messages = chunk.map((message) =>
      toMessage(topic, batch.partition, message, BigInt(message.offset) < partition.liveFrom),
    );
    const lag = Number(BigInt(batch.highWatermark) - 1n - BigInt(chunk.at(-1)!.offset));
    for (let attempt = 0; mayDeliver() && !signal.aborted; attempt++) {
      try {
        const { from, liveFrom, begun } = partition;
        const handled = handle({
          topic,
          partition: batch.partition,
          messages,
          lag,
          assignment: begun ? undefined : { from, liveFrom },
          committed: confirmed.get(batch.partition),
        }).then(() => (partition.begun = true));
        return await Promise.race([handled, abandoned]);
      } catch (cause) {
        // Asked again from here, not by an error to kafkajs: that would cost the membership when it lasts.
        observer.error(cause instanceof Error ? cause : new Error(String(cause)));
        await pause(backOffMs(attempt, options.maxBackOffMs), signal);
      }
    }
    return false;
  }

  /** kafkajs jumps to the oldest message in silence when retention has overtaken the consumer. */
  async function countGap(partition: AssignedPartition, batch: KafkaBatch): Promise<void> {
    const first = BigInt(batch.firstOffset() ?? partition.next);
    const expected = partition.next > partition.liveFrom ? partition.next : partition.liveFrom;
    if (first <= expected) return;
    try {
      const bound = (await admin.fetchTopicOffsets(topic)).find((p) => p.partition === batch.partition);
      const missing = missingBetween(expected, first, BigInt(bound?.low ?? 0));
      if (missing > 0n) observer.gap(missing);
    } catch (cause) {
      observer.error(new Error('a gap in the offsets could not be measured', { cause }));
    }
  }

  let abandon: () => void = () => undefined;
  /** Resolves when the batch under way shall not be waited for any longer. */
  const abandoned = new Promise<false>((resolve) => {
    abandon = () => resolve(false);
  });
  const crashed = new Promise<never>((_, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
  });
  const aborted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  let stalled: (error: Error) => void = () => undefined;
  const stall = new Promise<never>((_, reject) => (stalled = reject));
  const ended = Promise.race([aborted, crashed, stall]);
  ended.catch(() => undefined);

  const timer = setInterval(() => {
    if (Date.now() - committedAt >= options.commitIntervalMs) void commit();
    if (underWay === undefined && Date.now() - fetchedAt > options.stallTimeoutMs) {
      stalled(new Error('the Kafka consumer has stopped fetching'));
    }
  }, options.commitIntervalMs);

  async function start(): Promise<void> {
    options.report(false, 'connecting to Kafka');
    await Promise.all([admin.connect(), consumer.connect()]);
    // Also after its own reset kafkajs shall begin with the oldest message; `startFrom` is planStart's.
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    if (signal.aborted) return;
    options.report(false, 'joining the group');
    fetchedAt = Date.now();
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
    await settledWithin(starting, options.stopTimeoutMs);
    await windDown(consumer);
    generation++;
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

/** Heartbeats while a batch is under way; the first failure is kept, because the batch is finished before it counts. */
function keepAlive(payload: EachBatchPayload, intervalMs: number) {
  let failure: unknown;
  const timer = setInterval(() => {
    payload.heartbeat().catch((error: unknown) => {
      failure ??= error;
    });
  }, intervalMs);
  return { failed: () => failure, end: () => clearInterval(timer) };
}

function* chunks<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}

function asText(known: Record<string, bigint>): Record<string, string> {
  return Object.fromEntries(Object.entries(known).map(([name, offset]) => [name, String(offset)]));
}
