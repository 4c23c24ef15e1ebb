/** One consumer, from its connection to its end. `phase.ts` lists the phases. */
import { PartitionAssigners, type Consumer } from 'kafkajs';
import { createTopicAdmin, type TopicAdmin } from '../../kafka/admin';
import { runConcurrently } from '../../system/concurrency';
import { backOffMs, pause, settledWithin } from '../../system/pause';
import type { RestartReason } from '../source';
import { createStickyAssigner } from './assigner';
import { Commits } from './commits';
import { createConsumption } from './consumption';
import { createDelivery, type AssignedPartition } from './delivery';
import { PhaseMachine, type Phase } from './phase';
import { planStarts, type StartPlan } from './planning';
import { createEnding, SessionEnd, toSessionEnd } from './session-end';
import type { KafkaSourceSettings, SessionOptions } from './settings';
import { startStallMonitor, Watchdog } from './watchdog';

/**
 * Maximum number of states that are saved concurrently when the source stops: while one is written, another one is encoded.
 */
const savedAtOnce = 2;

/** Reason that /readyz shows in the phases before messages arrive. */
const waitingFor: Partial<Record<Phase, string>> = {
  connecting: 'connecting to Kafka',
  joining: 'joining the group',
  planning: 'reading the committed offsets',
};

/**
 * Consumes until the signal is aborted. If the consumer ends otherwise, disconnects it and rejects.
 * @throws SessionEnd; or kafkajs' error if it cannot connect
 */
export function runKafkaSession(options: SessionOptions): Promise<void> {
  return new KafkaSession(options).run();
}

function rebalanceTimeoutMs({ sessionTimeoutMs }: KafkaSourceSettings): number {
  return Math.max(60_000, sessionTimeoutMs);
}

function createConsumer({ kafka, settings, progress }: SessionOptions): Consumer {
  return kafka.consumer({
    // A group uses an assigner that all members support: the second one, as long as members with an older version exist.
    partitionAssigners: [
      createStickyAssigner(settings.topic, () => progress.owned),
      PartitionAssigners.roundRobin,
    ],
    groupId: settings.groupId,
    sessionTimeout: settings.sessionTimeoutMs,
    rebalanceTimeout: rebalanceTimeoutMs(settings),
    heartbeatInterval: Math.floor(settings.sessionTimeoutMs / 3),
    maxWaitTimeInMs: 500,
    allowAutoTopicCreation: false,
    // A crashed consumer ends the session; the source starts the next one.
    retry: { restartOnFailure: () => Promise.resolve(false) },
  });
}

class KafkaSession {
  private readonly consumer: Consumer;
  private readonly admin: TopicAdmin;
  private readonly ending;
  private readonly phase;
  private readonly watchdog;
  private readonly commits: Commits;
  private readonly consume;
  private readonly abandonment = new AbortController();
  /**
   * Partitions of the current assignment. Each assignment creates a new map, by which earlier work recognises that it is
   * outdated.
   */
  private assigned: Map<number, AssignedPartition> | undefined;
  private inProgress: Promise<void> | undefined;

  constructor(private readonly options: SessionOptions) {
    const { kafka, settings, observer, progress, committer, report } = options;
    const { topic } = settings;
    this.consumer = createConsumer(options);
    this.admin = createTopicAdmin(kafka);
    this.ending = createEnding(options.signal);
    const end = (reason: RestartReason, message: string, cause?: unknown) =>
      this.ending.fail(new SessionEnd(reason, message, { cause }));
    this.phase = new PhaseMachine((phase) => {
      const reason = waitingFor[phase];
      if (reason !== undefined) report(false, reason);
    });
    const joinTimeoutMs = rebalanceTimeoutMs(settings) + settings.sessionTimeoutMs;
    this.watchdog = new Watchdog(options.stallTimeoutMs, joinTimeoutMs);
    this.commits = new Commits({
      commit: (offsets) =>
        this.consumer.commitOffsets(
          offsets.map(({ partition, offset }) => ({ topic, partition, offset: String(offset) })),
        ),
      external: committer !== undefined,
      progress,
      intervalMs: options.commitIntervalMs,
      onError: (error) => observer.error(error),
    });
    const deliver = createDelivery({
      ...options,
      confirmed: (partition) => this.commits.confirmed(partition),
      abandoned: this.abandonment.signal,
      onFenced: (cause) => end('fenced', 'another process has taken over a partition', cause),
    });
    this.consume = createConsumption({
      ...options,
      admin: this.admin,
      watchdog: this.watchdog,
      commits: this.commits,
      deliver,
      assigned: (partition) => this.assigned?.get(partition),
      onSetBack: () => end('out_of_range', `topic "${topic}" returned a message before the next offset`),
    });
    this.listen();
  }

  async run(): Promise<void> {
    const stopMonitor = startStallMonitor({
      watchdog: this.watchdog,
      admin: this.admin,
      topic: this.options.settings.topic,
      silenceIntervalMs: this.options.commitIntervalMs,
      isBusy: () => this.inProgress !== undefined,
      onStall: (end) => this.ending.fail(end),
    });
    const starting = this.start();
    try {
      await Promise.race([starting, this.ending.reached]);
      await this.ending.reached;
    } finally {
      stopMonitor();
      await this.shutDown(starting);
    }
  }

  private async start(): Promise<void> {
    const { topic } = this.options.settings;
    await Promise.all([this.admin.connect(), this.consumer.connect()]);
    // kafkajs must begin with the oldest message if it has no offset; `findStart` applies `startFrom`.
    await this.consumer.subscribe({ topics: [topic], fromBeginning: true });
    if (!this.phase.enter('joining')) return;
    this.watchdog.joining();
    await this.consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: 1,
      eachBatch: (payload) =>
        (this.inProgress = this.consume(payload).finally(() => (this.inProgress = undefined))),
    });
  }

  private listen(): void {
    const { consumer, watchdog } = this;
    const { events } = consumer;
    consumer.on(events.GROUP_JOIN, ({ payload }) => {
      this.assign(payload.memberAssignment[this.options.settings.topic] ?? []);
    });
    consumer.on(events.REBALANCING, () => {
      // The commit is sent before the request to join, for which kafkajs first looks up the coordinator.
      void this.commits.flush();
      watchdog.joining();
      this.phase.enter('rebalancing');
    });
    consumer.on(events.FETCH, () => {
      watchdog.fetched();
      if (this.phase.current() !== 'closed') this.options.observer.fetched?.();
    });
    consumer.on(events.END_BATCH_PROCESS, ({ payload }) => {
      // A batch that contains only transaction markers: kafkajs skips it without a call to eachBatch.
      if (payload.batchSize === 0) watchdog.moved(payload.partition, BigInt(payload.lastOffset) + 1n);
    });
    consumer.on(events.CRASH, ({ payload }) => this.ending.fail(toSessionEnd(payload.error)));
  }

  /** Runs before kafkajs fetches for the new assignment, so no message arrives before its start offset is known. */
  private assign(partitions: readonly number[]): void {
    const assigned = new Map<number, AssignedPartition>();
    this.assigned = assigned;
    this.options.progress.owned = partitions;
    this.commits.discard();
    this.watchdog.joining();
    this.consumer.pause([{ topic: this.options.settings.topic, partitions: [...partitions] }]);
    if (this.phase.enter('planning')) void this.begin(partitions, assigned);
  }

  /** Plans the start of each partition, repeatedly until it succeeds, and resumes the partitions. */
  private async begin(
    partitions: readonly number[],
    assigned: Map<number, AssignedPartition>,
  ): Promise<void> {
    const { restorePoints, committer, observer, signal, maxBackOffMs } = this.options;
    const isCurrent = (): boolean => this.assigned === assigned;
    // A batch of the previous assignment may still be in progress during the join, and change the progress of this process.
    await this.inProgress?.catch(() => undefined);
    restorePoints.keepOnly(partitions);
    for (let attempt = 0; isCurrent() && !signal.aborted; attempt++) {
      try {
        const plans = await planStarts(partitions, { ...this.options, admin: this.admin, isCurrent });
        // Checked immediately before the commit: a commit for an outdated assignment would undo a later one.
        if (!isCurrent()) return;
        await Promise.all(
          plans.map(async ({ partition, assignment, mustCommit }) => {
            if (mustCommit) await committer?.commitStartOffset(partition, assignment.liveFrom);
          }),
        );
        if (!isCurrent()) return;
        for (const plan of plans) assigned.set(plan.partition, this.startPartition(plan));
        void this.commits.flush();
        this.consumeFrom(partitions, assigned);
        return;
      } catch (cause) {
        if (!isCurrent()) return;
        observer.error(new Error('partition assignment failed', { cause }));
        await pause(backOffMs(attempt, maxBackOffMs), signal);
      }
    }
  }

  private startPartition({ partition, offsets, assignment, ...plan }: StartPlan): AssignedPartition {
    const { observer, progress, settings } = this.options;
    const { topic } = settings;
    const { from, liveFrom } = assignment;
    this.commits.read(partition, offsets.committed);
    this.consumer.seek({ topic, partition, offset: String(from) });
    if (plan.missing > 0n) observer.gap(plan.missing);
    if (plan.restarted) {
      progress.forget(partition);
      const { low, high, committed } = offsets;
      const bounds = { low: String(low), high: String(high) };
      const starts = { committed: String(committed), liveFrom: String(liveFrom) };
      observer.info('topic was recreated or truncated', { topic, partition, ...bounds, ...starts });
    }
    if (plan.mustCommit) this.commits.handled(partition, liveFrom);
    return { partition, assignment, next: from, accepted: false };
  }

  private consumeFrom(partitions: readonly number[], assigned: ReadonlyMap<number, AssignedPartition>): void {
    const { observer, report, settings } = this.options;
    const { topic, groupId } = settings;
    if (!this.phase.enter('consuming')) return;
    this.watchdog.reading(new Map(Array.from(assigned, ([partition, { next }]) => [partition, next])));
    this.consumer.resume([{ topic, partitions: [...partitions] }]);
    report(true, partitions.length === 0 ? 'in the group, without partitions' : 'partitions assigned');
    observer.info('partitions assigned', { topic, groupId, partitions });
  }

  private async shutDown(starting: Promise<void>): Promise<void> {
    const { stopTimeoutMs } = this.options;
    const deadline = performance.now() + stopTimeoutMs;
    this.phase.enter('stopping');
    this.commits.stop();
    this.ending.release();
    await settledWithin(starting, stopTimeoutMs);
    if (await this.finishBatch()) await this.saveStates(deadline);
    this.phase.enter('closed');
    this.assigned = new Map();
    const disconnected = Promise.allSettled([this.consumer.disconnect(), this.admin.disconnect()]);
    await settledWithin(disconnected, stopTimeoutMs);
  }

  /**
   * Waits for the batch in progress, abandons it at the deadline, and commits. Returns whether the batch was finished and
   * committed.
   */
  private async finishBatch(): Promise<boolean> {
    const { observer, settings, stopTimeoutMs } = this.options;
    if (this.assigned === undefined) return false;
    try {
      this.consumer.pause([{ topic: settings.topic }]);
    } catch {
      // A crashed consumer can neither pause nor commit.
      return false;
    }
    if (this.inProgress !== undefined && !(await settledWithin(this.inProgress, stopTimeoutMs))) {
      observer.error(new Error('batch did not finish before the shutdown timeout; it will be redelivered'));
      // kafkajs leaves the group only after eachBatch has returned.
      this.abandonment.abort();
      await this.inProgress.catch(() => undefined);
    }
    return settledWithin(this.commits.flush(), stopTimeoutMs);
  }

  /** Saves the states as far as time permits: without them, the next owner reads all records since the last save again. */
  private async saveStates(deadline: number): Promise<void> {
    const { restorePoints, signal } = this.options;
    // A session that ended otherwise is followed by another one, which uses the states in memory.
    if (!signal.aborted) return;
    const partitions = [...this.assigned!.keys()];
    const saved = runConcurrently(partitions, savedAtOnce, async (partition) => {
      const committed = this.commits.confirmed(partition);
      if (committed !== undefined && performance.now() < deadline)
        await restorePoints.save?.(partition, committed);
    });
    await settledWithin(saved, Math.max(0, deadline - performance.now()));
  }
}
