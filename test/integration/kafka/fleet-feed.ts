/** Records of many devices with very uneven rates and occasional faults. */
import { Partitioners } from 'kafkajs';
import type { Kafka, Message, Producer } from 'kafkajs';
import { createRandom } from '../../../src/tensor';
import { createDevice, type PlantRecord } from '../plant';

export interface FleetFeed {
  /** Produces `count` records, drawn by the rates of the devices. */
  produce(records: number): Promise<void>;
  /** Produces records at a rate until `stop`. */
  start(recordsPerSecond: number): void;
  stop(): Promise<void>;
  /** Records produced so far. */
  produced(): number;
  close(): Promise<void>;
}

export interface FleetOptions {
  kafka: Kafka;
  topic: string;
  partitions: number;
  devices: number;
  seed: number;
  /** Whether devices have faults; default true. */
  faults?: boolean;
}

const ticksPerSecond = 20;

export async function createFleetFeed(options: FleetOptions): Promise<FleetFeed> {
  const { kafka, topic, partitions, devices, seed, faults = true } = options;
  let producer = await connect();

  async function connect(): Promise<Producer> {
    const next = kafka.producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      idempotent: true,
      // Survives an outage of a broker.
      retry: { retries: 60, initialRetryTime: 100, maxRetryTime: 1_000 },
    });
    await next.connect();
    return next;
  }

  /** After some failures kafkajs' sequence numbers are wrong. Records that are produced twice then are in the topic twice. */
  async function send(messages: Message[]): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await producer.send({ topic, messages });
        return;
      } catch (error) {
        if (attempt === 10) throw error;
        await producer.disconnect().catch(() => undefined);
        producer = await connect();
      }
    }
  }

  const random = createRandom(seed);
  const start = Date.now() - 24 * 3_600_000;
  // The rarest device appears about once in `devices ** 1.5` records.
  const weights = Array.from({ length: devices }, (_, i) => 1 / (1 + i) ** 1.5);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const sequences = weights.map((_, i) =>
    createDevice(`device-${i}`, { seed: seed * 1000 + i, start, faults }),
  );
  let produced = 0;
  let stopping = false;
  let producing: Promise<void> | undefined;

  function draw(): { partition: number; record: PlantRecord } {
    let at = random.uniform() * total;
    let device = 0;
    while (device < devices - 1 && at >= weights[device]!) at -= weights[device++]!;
    return { partition: device % partitions, record: sequences[device]!() };
  }

  async function produce(records: number): Promise<void> {
    const messages = Array.from({ length: records }, (): Message => {
      const { partition, record } = draw();
      return { partition, key: record.key, value: JSON.stringify(record) };
    });
    await send(messages);
    produced += records;
  }

  return {
    produce,
    start(recordsPerSecond) {
      producing = (async () => {
        while (!stopping) {
          await produce(Math.ceil(recordsPerSecond / ticksPerSecond));
          await new Promise((resolve) => setTimeout(resolve, 1000 / ticksPerSecond));
        }
      })();
    },
    async stop() {
      stopping = true;
      await producing;
    },
    produced: () => produced,
    async close() {
      stopping = true;
      await producing?.catch(() => undefined);
      await producer.disconnect();
    },
  };
}
