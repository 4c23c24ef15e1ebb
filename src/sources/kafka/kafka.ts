/** Records from a Kafka topic, as a member of a consumer group; offsets are committed only behind what was handled. */
import type { Kafka } from 'kafkajs';
import { toError } from '../../system/error-text';
import { backOffMs, pause, settledWithin } from '../../system/pause';
import type { Progress } from './offsets';
import { runKafkaSession, SessionEnd } from './session';
import type { HandleBatch, OffsetCommitter, Source, RestorePoints, SourceObserver } from '../source';

/** The part of a detector's Kafka settings that the source needs. */
export interface KafkaSourceSettings {
  topic: string;
  groupId: string;
  /** Where a group without committed offsets begins. */
  startFrom: 'earliest' | 'latest';
  /** Messages per partition to read again after an assignment, to warmUp the windows, where nothing is remembered. */
  warmUpRecords: number;
  maxBatchRecords: number;
  sessionTimeoutMs: number;
}

export interface KafkaSourceOptions {
  /** Two sources of one group in one process need a client each: kafkajs keeps a group's offsets per client. */
  kafka: Kafka;
  settings: KafkaSourceSettings;
  observer: SourceObserver;
  /** Asked at each assignment: messages behind what is remembered are read again, as warmUps. */
  restorePoints?: RestorePoints;
  /** Given where offsets are committed with what came of a batch: the source then commits none. */
  committer?: OffsetCommitter | undefined;
  /** How long `stop()` waits for the batch under way, ms; what is not handled by then comes again. */
  stopTimeoutMs?: number;
  /** Offsets of handled batches are committed this often, ms, and on every stop and rebalance. */
  commitIntervalMs?: number;
  /** Longest wait before the next attempt, to connect or to have a refused batch handled, ms. */
  maxBackOffMs?: number;
  /** No fetch for this long, ms, or nothing of a partition that has something: the consumer is built anew. */
  stallTimeoutMs?: number;
}

const nothingRemembered: RestorePoints = {
  keepOnly: () => undefined,
  restorePoint: () => Promise.resolve(undefined),
};

/**
 * A Kafka topic as a source. `run()` ends with `stop()` alone: an absent broker, a missing topic or a crashed
 * consumer is reported to the observer and tried again, for ever. A batch that the pipeline rejects is handed over
 * again until it takes it; meanwhile the partitions stay assigned and nothing behind the batch is committed.
 */
export function createKafkaSource(options: KafkaSourceOptions): Source {
  const { kafka, settings, observer } = options;
  const {
    restorePoints = nothingRemembered,
    stopTimeoutMs = 10_000,
    commitIntervalMs = 1_000,
    maxBackOffMs = 10_000,
    stallTimeoutMs = 120_000,
  } = options;
  const stopping = new AbortController();
  /** By partition. Outlives a consumer, so that a new one goes on where it ended. */
  const progress = new Map<number, Progress>();
  let state = { ready: false, reason: 'not started' };
  let running: Promise<void> | undefined;

  async function supervise(handle: HandleBatch): Promise<void> {
    for (let attempt = 0; !stopping.signal.aborted; attempt++) {
      try {
        await runKafkaSession({
          kafka,
          settings,
          observer,
          handle,
          progress,
          restorePoints,
          committer: options.committer,
          signal: stopping.signal,
          stopTimeoutMs,
          commitIntervalMs,
          maxBackOffMs,
          stallTimeoutMs,
          report(ready, reason) {
            if (ready) attempt = 0;
            state = { ready, reason };
            observer.connected?.(ready);
          },
        });
      } catch (cause) {
        const error = toError(cause);
        state = { ready: false, reason: error.message };
        observer.connected?.(false);
        observer.restarted?.(error instanceof SessionEnd ? error.reason : 'unreachable');
        observer.error(error);
        await pause(backOffMs(attempt, maxBackOffMs), stopping.signal);
      }
    }
    state = { ready: false, reason: 'stopped' };
    observer.connected?.(false);
  }

  return {
    ready: () => (stopping.signal.aborted ? { ready: false, reason: 'stopped' } : { ...state }),
    run: (handle) => (running ??= supervise(handle)),
    async stop() {
      stopping.abort();
      // The session has a deadline for each of its steps; this one holds whatever kafkajs does.
      if (running !== undefined && !(await settledWithin(running, 3 * stopTimeoutMs))) {
        observer.error(new Error('the Kafka consumer did not stop in time and was left behind'));
      }
    },
  };
}
