/** The group's committed offsets, read after pending transactions are finished. */
import type { Admin, Kafka } from 'kafkajs';
import { pause } from '../../system/pause';

/** Committed offset of a group that has none. */
export const noOffset = -1n;

/** kafkajs of other processes writes −2 to reset a group; lower values are unstable offsets. */
const lowestStable = -2n;
const maxAttempts = 20;

export interface CommittedOffsets {
  /**
   * Committed offsets of the partitions, in their order; −1 = none. Waits for pending transactions.
   * @throws Error if that takes too long
   */
  read(topic: string, partitions: readonly number[]): Promise<bigint[]>;
  close(): Promise<void>;
}

export function createCommittedOffsets(kafka: Kafka, groupId: string): CommittedOffsets {
  let admin: Promise<Admin> | undefined;

  async function connect(): Promise<Admin> {
    const client = kafka.admin();
    try {
      await client.connect();
      return client;
    } catch (error) {
      admin = undefined;
      throw error;
    }
  }

  return {
    async read(topic, partitions) {
      for (let attempt = 0; attempt < maxAttempts; attempt++) {
        const [fetched] = await (await (admin ??= connect())).fetchOffsets({ groupId, topics: [topic] });
        const offsets = partitions.map((partition) =>
          BigInt(fetched?.partitions.find((one) => one.partition === partition)?.offset ?? noOffset),
        );
        if (offsets.every((offset) => offset >= lowestStable))
          return offsets.map((offset) => (offset < noOffset ? noOffset : offset));
        await pause(5 * 2 ** Math.min(attempt, 5));
      }
      throw new Error(`committed offsets of ${topic} are still changing`);
    },
    async close() {
      const client = await admin?.catch(() => undefined);
      admin = undefined;
      await client?.disconnect();
    },
  };
}
