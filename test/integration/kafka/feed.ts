/** Good and bad records of a plant; the header `expect` of each message states its expected outcome. */
import { Partitioners } from 'kafkajs';
import type { Message } from 'kafkajs';
import type { RejectReason } from '../../../src/errors';
import { createDevice, type PlantRecord } from '../plant';
import type { TestBroker } from './broker';

export interface Feed {
  /** Normal records only. */
  produceNormal(recordsPerKey: number): Promise<void>;
  /** Produces normal and bad records in turn until `stop`. */
  start(): void;
  stop(): Promise<void>;
  /** Rounds produced since `start`. */
  rounds(): number;
  close(): Promise<void>;
}

/** A bad value made from a good record. */
interface BadRecord {
  expect: RejectReason;
  value: (good: PlantRecord, before: PlantRecord) => Buffer | string | null;
}

const withValue =
  (load: unknown) =>
  (good: PlantRecord): string =>
    JSON.stringify({ ...good, values: { ...good.values, load } });
/** Numbers that JSON.stringify cannot write. */
const withLiteral =
  (literal: string) =>
  (good: PlantRecord): string =>
    withValue('@')(good).replace('"@"', literal);
const without =
  (field: keyof PlantRecord) =>
  (good: PlantRecord): string =>
    JSON.stringify({ ...good, [field]: undefined });

const badRecords: readonly BadRecord[] = [
  { expect: 'not_json', value: (good) => JSON.stringify(good).slice(0, -1) },
  { expect: 'not_json', value: () => Buffer.from([0, 255, 254, 1]) },
  { expect: 'not_json', value: withLiteral('NaN') },
  { expect: 'not_json', value: withLiteral('Infinity') },
  { expect: 'empty', value: () => '' },
  { expect: 'empty', value: () => null },
  { expect: 'not_an_object', value: () => 'null' },
  { expect: 'not_an_object', value: (good) => JSON.stringify([good]) },
  { expect: 'missing_channel', value: withValue(undefined) },
  { expect: 'missing_channel', value: withValue(null) },
  { expect: 'missing_channel', value: without('values') },
  {
    expect: 'unknown_channel',
    value: (good) => JSON.stringify({ ...good, values: { ...good.values, pressure: 1 } }),
  },
  { expect: 'not_a_number', value: withValue('warm') },
  { expect: 'not_a_number', value: withValue('NaN') },
  { expect: 'out_of_range', value: withLiteral('1e308') },
  { expect: 'out_of_range', value: withLiteral('-1e999') },
  { expect: 'missing_key', value: without('key') },
  { expect: 'missing_timestamp', value: without('timestamp') },
  { expect: 'bad_timestamp', value: (good) => JSON.stringify({ ...good, timestamp: 'yesterday' }) },
  {
    expect: 'timestamp_in_future',
    value: (good) => JSON.stringify({ ...good, timestamp: Date.now() + 86_400_000 }),
  },
  { expect: 'duplicate', value: (_, before) => JSON.stringify(before) },
  {
    expect: 'out_of_order',
    value: (good, before) => JSON.stringify({ ...good, timestamp: before.timestamp - 500 }),
  },
];
const large: BadRecord = {
  expect: 'too_large',
  value: (good) => JSON.stringify({ ...good, comment: 'x'.repeat(1_000_000) }),
};
/** Rounds between two messages of 1 MB. */
const largeEvery = 10;

/** Three pumps on two partitions. */
const pumps = [
  { key: 'pump-1', partition: 0 },
  { key: 'pump-2', partition: 1 },
  { key: 'pump-3', partition: 0 },
];
const partitions = 2;
const recordsPerRound = 4;

/** Creates the topic and connects to it. */
export async function createFeed(broker: TestBroker): Promise<Feed & { topic: string }> {
  const topic = await broker.createTopic({ partitions });
  // A request that is retried after an outage is not written twice.
  const producer = broker
    .client()
    .producer({ createPartitioner: Partitioners.DefaultPartitioner, idempotent: true });
  await producer.connect();
  const start = Date.now() - 24 * 3_600_000;
  const sequences = pumps.map(({ key, partition }, seed) => ({
    partition,
    next: createDevice(key, { seed, start, faults: false }),
  }));
  let rounds = 0;
  let producing: Promise<void> | undefined;
  let stopping = false;

  const message = (
    expect: string,
    partition: number,
    value: Buffer | string | null,
  ): Message & { expect?: string } => ({
    partition,
    value,
    headers: { expect },
  });

  async function produceRound(): Promise<void> {
    const bad = [...badRecords, ...(rounds % largeEvery === 0 ? [large] : [])];
    const messages = sequences.flatMap((sequence, pump) => {
      const good = Array.from({ length: recordsPerRound }, sequence.next);
      // An unknown mode: scored with the unknown token.
      good[0]!.conditions.mode = 'service';
      const before = good.at(-1)!;
      const wouldBeNext = { ...before, timestamp: before.timestamp + 1 };
      return [
        ...good.map((record) => message('detection', sequence.partition, JSON.stringify(record))),
        // Each pump has a different third of the errors.
        ...bad
          .filter((_, i) => (i + rounds) % sequences.length === pump)
          .map(({ expect, value }) => message(expect, sequence.partition, value(wouldBeNext, before))),
      ];
    });
    await producer.send({ topic, messages });
    rounds++;
  }

  return {
    topic,
    async produceNormal(recordsPerKey) {
      const messages = sequences.flatMap((sequence) =>
        Array.from({ length: recordsPerKey }, () =>
          message('detection', sequence.partition, JSON.stringify(sequence.next())),
        ),
      );
      await producer.send({ topic, messages });
    },
    start() {
      producing = (async () => {
        while (!stopping) {
          await produceRound();
          await new Promise((resolve) => setTimeout(resolve, 40));
        }
      })();
    },
    async stop() {
      stopping = true;
      await producing;
    },
    rounds: () => rounds,
    async close() {
      stopping = true;
      await producing?.catch(() => undefined);
      await producer.disconnect();
    },
  };
}
