/** A Kafka topic as a source: a member of a consumer group that commits the offsets of handled records. */
import { toError } from '../../system/error-text';
import { backOffMs, pause, settledWithin } from '../../system/pause';
import type { HandleBatch, Source } from '../source';
import { TopicProgress } from './progress';
import { runKafkaSession } from './session';
import { SessionEnd } from './session-end';
import type { SourceOptions } from './settings';

const defaults = {
  commitIntervalMs: 1_000,
  maxBackOffMs: 10_000,
  explain: (error: unknown) => Promise.resolve(toError(error)),
};

export type KafkaSourceOptions = Omit<SourceOptions, keyof typeof defaults> & Partial<typeof defaults>;

/**
 * Creates the source. `run()` ends only with `stop()`: an unreachable broker, a missing topic or a crashed consumer is reported
 * to the observer and retried without end. A rejected batch is delivered again until the pipeline accepts it; meanwhile the
 * partitions stay assigned, and no later offset is committed.
 */
export function createKafkaSource(given: KafkaSourceOptions): Source {
  const options: SourceOptions = { ...defaults, ...given };
  const { observer, maxBackOffMs, stopTimeoutMs } = options;
  const stopping = new AbortController();
  const progress = new TopicProgress();
  let state = { ready: false, reason: 'not started' };
  let running: Promise<void> | undefined;

  async function supervise(handle: HandleBatch): Promise<void> {
    for (let attempt = 0; !stopping.signal.aborted; attempt++) {
      try {
        await runKafkaSession({
          ...options,
          handle,
          progress,
          signal: stopping.signal,
          report(ready, reason) {
            if (ready) attempt = 0;
            state = { ready, reason };
            observer.connected?.(ready);
          },
        });
      } catch (cause) {
        observer.connected?.(false);
        const reason = cause instanceof SessionEnd ? cause.reason : 'unreachable';
        const isKafkas = reason === 'unreachable' || reason === 'crashed';
        const error = isKafkas ? await options.explain(cause) : toError(cause);
        state = { ready: false, reason: error.message };
        observer.restarted?.(reason);
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
      // Each step of the session has a deadline; this deadline holds even if kafkajs hangs.
      if (running !== undefined && !(await settledWithin(running, 3 * stopTimeoutMs))) {
        observer.error(new Error('the Kafka consumer did not stop in time; its connections stay open'));
      }
    },
  };
}
