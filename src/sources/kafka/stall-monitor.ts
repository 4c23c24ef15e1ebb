/** Checks the watchdog at intervals and ends the session when the consumer has stalled. */
import type { TopicAdmin } from '../../kafka/admin';
import { SessionEnd } from './session-end';
import type { Watchdog } from './watchdog';

export interface StallMonitorOptions {
  watchdog: Watchdog;
  admin: Pick<TopicAdmin, 'fetchTopicOffsets'>;
  topic: string;
  stallTimeoutMs: number;
  /** Interval of the check for fetches, ms. */
  silenceIntervalMs: number;
  /** Whether a batch is in progress: kafkajs fetches nothing meanwhile. */
  isBusy: () => boolean;
  onStall: (end: SessionEnd) => void;
}

/** Returns a function that ends the checks. */
export function startStallMonitor(options: StallMonitorOptions): () => void {
  const { watchdog, admin, topic, stallTimeoutMs, isBusy, onStall } = options;
  let stopped = false;

  function checkFetches(): void {
    if (!isBusy() && watchdog.isSilent())
      onStall(new SessionEnd('stalled', `the Kafka consumer has not fetched for ${stallTimeoutMs} ms`));
  }

  /** A read_committed consumer reads up to the last stable offset, so an open transaction is no stall. */
  async function checkPartitions(): Promise<void> {
    if (!watchdog.isReading()) return;
    // If the brokers do not answer here, they do not answer the consumer either, and kafkajs reports that.
    const bounds = await admin.fetchTopicOffsets(topic).catch(() => []);
    if (stopped || isBusy()) return;
    const ends = new Map(bounds.map(({ partition, high }) => [partition, BigInt(high)]));
    const stuck = watchdog.stuck(ends).join(', ');
    if (stuck !== '')
      onStall(
        new SessionEnd(
          'stalled',
          `partition ${stuck} of "${topic}" has messages, but none arrived for ${stallTimeoutMs} ms`,
        ),
      );
  }

  const timers = [
    setInterval(checkFetches, options.silenceIntervalMs),
    setInterval(() => void checkPartitions(), stallTimeoutMs / 2),
  ];
  return () => {
    stopped = true;
    timers.forEach(clearInterval);
  };
}
