/** A Kafka topic as a source: a member of a consumer group that commits the offsets of handled records. */
import type { Kafka } from 'kafkajs';
import { toError } from '../../system/error-text';
import { backOffMs, pause, settledWithin } from '../../system/pause';
import { createTopicProgress } from './progress';
import { runKafkaSession } from './session';
import { SessionEnd } from './session-end';
import type { KafkaSourceSettings } from './settings';
import type { HandleBatch, OffsetCommitter, Source, RestorePoints, SourceObserver } from '../source';

export interface KafkaSourceOptions {
  /** Two sources of one group in one process need separate clients: kafkajs caches a group's offsets per client. */
  kafka: Kafka;
  settings: KafkaSourceSettings;
  observer: SourceObserver;
  /** Where stored state of a partition ends; messages after it and before the live ones are warm-up. */
  restorePoints?: RestorePoints;
  /** Commits offsets together with detections; the source then commits none. */
  committer?: OffsetCommitter | undefined;
  /** How long `stop()` waits for the batch in progress, ms; after that the batch is redelivered later. */
  stopTimeoutMs?: number;
  /** Interval of commits, ms; offsets are also committed on every stop and rebalance. */
  commitIntervalMs?: number;
  /** Longest delay between attempts to connect or to deliver a rejected batch, ms. */
  maxBackOffMs?: number;
  /** Restart the consumer if it fetches nothing, or nothing of a partition with messages, for this long, ms. */
  stallTimeoutMs?: number;
}

const noState: RestorePoints = {
  keepOnly: () => undefined,
  restorePoint: () => Promise.resolve(undefined),
};

/**
 * Creates the source. `run()` ends only with `stop()`: an unreachable broker, a missing topic or a crashed consumer is reported to
 * the observer and retried without end. A rejected batch is delivered again until the pipeline accepts it; meanwhile the
 * partitions stay assigned, and no later offset is committed.
 */
export function createKafkaSource(options: KafkaSourceOptions): Source {
  const { kafka, settings, observer } = options;
  const {
    restorePoints = noState,
    stopTimeoutMs = 10_000,
    commitIntervalMs = 1_000,
    maxBackOffMs = 10_000,
    stallTimeoutMs = 120_000,
  } = options;
  const stopping = new AbortController();
  const progress = createTopicProgress();
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
      // The session has a deadline for each of its steps; this one holds even if kafkajs hangs.
      if (running !== undefined && !(await settledWithin(running, 3 * stopTimeoutMs))) {
        observer.error(new Error('the Kafka consumer did not stop in time; its connections stay open'));
      }
    },
  };
}
