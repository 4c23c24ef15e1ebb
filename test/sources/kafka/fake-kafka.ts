/** A kafkajs client without a broker: tests raise the events of its consumer and read its calls. */
import type { Batch, EachBatchPayload, Kafka } from 'kafkajs';

export const topic = 'sensors';

type Listener = (event: { payload: object }) => void;

export interface FakeKafka {
  kafka: Kafka;
  /** Calls of the consumer, as text, in order. */
  calls: string[];
  /** The group's offsets and the bounds of the partitions, as the admin client returns them. */
  committed: Map<number, number>;
  bounds: Map<number, { low: number; high: number }>;
  /** Errors of the next calls, by name. */
  failures: Map<string, Error>;
  join(...partitions: number[]): void;
  rebalance(): void;
  crash(error: Error): void;
  /** Delivers messages of a partition, as kafkajs does; resolves with eachBatch. */
  deliver(partition: number, offsets: number[], options?: BatchOptions): Promise<void>;
}

export interface BatchOptions {
  heartbeat?: () => Promise<void>;
  isStale?: () => boolean;
  /** Differs from the last message's offset after filtered messages. */
  lastOffset?: number;
}

export const messageAt = (offset: number) => ({
  offset: String(offset),
  timestamp: String(1000 + offset),
  key: null,
  value: Buffer.from(`${offset}`),
  attributes: 0,
  headers: {},
});

/** A payload of eachBatch; resolved offsets go to `calls`. */
export function payloadOf(
  partition: number,
  offsets: readonly number[],
  calls: string[],
  { heartbeat = () => Promise.resolve(), isStale = () => false, lastOffset }: BatchOptions = {},
): EachBatchPayload {
  const last = lastOffset ?? offsets.at(-1) ?? 0;
  const batch = {
    topic,
    partition,
    highWatermark: String(last + 1),
    messages: offsets.map(messageAt),
    firstOffset: () => (offsets[0] === undefined ? null : String(offsets[0])),
    lastOffset: () => String(last),
  };
  return {
    batch: batch as unknown as Batch,
    heartbeat,
    isStale,
    resolveOffset: (offset: string) => void calls.push(`resolve ${offset}`),
  } as EachBatchPayload;
}

export function createFakeKafka(): FakeKafka {
  const calls: string[] = [];
  const committed = new Map<number, number>();
  const bounds = new Map<number, { low: number; high: number }>();
  const failures = new Map<string, Error>();
  const listeners = new Map<string, Listener>();
  let eachBatch: ((payload: EachBatchPayload) => Promise<void>) | undefined;

  async function call(name: string): Promise<void> {
    await Promise.resolve();
    calls.push(name);
    const failure = failures.get(name.split(' ')[0]!);
    if (failure !== undefined) throw failure;
  }
  const emit = (event: string, payload: object) => listeners.get(event)?.({ payload });
  const names = ['GROUP_JOIN', 'REBALANCING', 'FETCH', 'END_BATCH_PROCESS', 'CRASH'];
  const consumer = {
    events: Object.fromEntries(names.map((name) => [name, name])),
    on: (event: string, listener: Listener) => void listeners.set(event, listener),
    connect: () => call('connect'),
    disconnect: () => call('disconnect'),
    subscribe: () => call('subscribe'),
    run(given: { eachBatch: typeof eachBatch }) {
      ({ eachBatch } = given);
      return call('run');
    },
    pause: ([{ partitions = [] }]: [{ partitions?: number[] }]) =>
      void calls.push(`pause ${partitions.join()}`.trim()),
    resume: ([{ partitions }]: [{ partitions: number[] }]) => void calls.push(`resume ${partitions.join()}`),
    seek: ({ partition, offset }: { partition: number; offset: string }) =>
      void calls.push(`seek ${partition}:${offset}`),
    async commitOffsets(offsets: { partition: number; offset: string }[]) {
      await call(`commit ${offsets.map(({ partition, offset }) => `${partition}:${offset}`).join()}`);
      for (const { partition, offset } of offsets) committed.set(partition, Number(offset));
    },
  };
  const admin = {
    connect: () => Promise.resolve(),
    disconnect: () => Promise.resolve(),
    async fetchOffsets() {
      await call('fetchOffsets');
      const partitions = Array.from(committed, ([partition, offset]) => ({
        partition,
        offset: String(offset),
      }));
      return [{ topic, partitions }];
    },
    fetchTopicOffsets: () =>
      Promise.resolve(
        Array.from(bounds, ([partition, { low, high }]) => ({
          partition,
          low: String(low),
          high: String(high),
          offset: String(high),
        })),
      ),
  };
  return {
    kafka: { consumer: () => consumer, admin: () => admin } as unknown as Kafka,
    calls,
    committed,
    bounds,
    failures,
    join: (...partitions) => emit('GROUP_JOIN', { memberAssignment: { [topic]: partitions } }),
    rebalance: () => emit('REBALANCING', {}),
    crash: (error) => emit('CRASH', { error }),
    async deliver(partition, offsets, options) {
      await eachBatch?.(payloadOf(partition, offsets, calls, options));
    },
  };
}

/** Lets everything run that waits for no timer. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
}
