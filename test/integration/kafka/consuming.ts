/** A running source and its results. */
import { createKafkaSource } from '../../../src/sources/kafka/kafka';
import type { KafkaSourceOptions } from '../../../src/sources/kafka/kafka';
import type { KafkaSourceSettings } from '../../../src/sources/kafka/settings';
import type { Batch, HandleBatch, Message, RestartReason, Source } from '../../../src/sources/source';
import type { TestKafka } from './broker';

const running: Source[] = [];

export async function stopConsuming(): Promise<void> {
  await Promise.all(running.splice(0).map((source) => source.stop()));
}

export const numbered = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => ({ key: `k${(from + i) % 5}`, value: String(from + i) }));
export const valuesOf = (messages: readonly Message[]) => messages.map(({ value }) => Number(value));
export const sorted = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b);
export const range = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Options of a source without stored state. */
export const standalone = {
  restorePoints: { keepOnly: () => undefined, restorePoint: () => Promise.resolve(undefined) },
  committer: undefined,
  stopTimeoutMs: 10_000,
  stallTimeoutMs: 120_000,
};

/** Starts a source and collects its results. */
export function startConsuming(
  broker: TestKafka,
  settings: Partial<KafkaSourceSettings> & { topic: string },
  handle: HandleBatch = () => Promise.resolve(),
  options: Partial<KafkaSourceOptions> = {},
) {
  const errors: Error[] = [];
  const gaps: bigint[] = [];
  const batches: Batch[] = [];
  const live: Message[] = [];
  const warmUp: Message[] = [];
  const restarts: RestartReason[] = [];
  const source = createKafkaSource({
    kafka: broker.client(),
    settings: {
      groupId: `group-of-${settings.topic}`,
      startFrom: 'earliest',
      warmUpRecords: 0,
      maxBatchRecords: 50,
      sessionTimeoutMs: 6_000,
      ...settings,
    },
    observer: {
      error: (error) => errors.push(error),
      info: () => undefined,
      gap: (missing) => gaps.push(missing),
      restarted: (reason) => restarts.push(reason),
    },
    ...standalone,
    commitIntervalMs: 100,
    maxBackOffMs: 500,
    ...options,
  });
  running.push(source);
  const ended = source.run(async (batch) => {
    await handle(batch);
    batches.push(batch);
    for (const message of batch.messages) (message.warmUp ? warmUp : live).push(message);
  });
  return { source, ended, errors, gaps, batches, live, warmUp, restarts };
}
