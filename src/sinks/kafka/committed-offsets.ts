/** The group's committed offsets, read after pending transactions are finished. */
import type { Admin, Kafka } from 'kafkajs';
import { pause } from '../../system/pause';

/** Committed offset of a group that has none. */
export const noOffset = -1n;

/** A reset of the group by kafkajs writes −2; lower values are unstable offsets. */
const lowestStable = -2n;
const maxAttempts = 20;

export class CommittedOffsets {
  private admin: Promise<Admin> | undefined;

  constructor(
    private readonly kafka: Kafka,
    private readonly groupId: string,
  ) {}

  /**
   * Committed offsets of the partitions, in the same order; −1 = none. Waits for pending transactions.
   * @throws Error if they do not end in time
   */
  async read(topic: string, partitions: readonly number[]): Promise<bigint[]> {
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const admin = await (this.admin ??= this.connect());
      const [fetched] = await admin.fetchOffsets({ groupId: this.groupId, topics: [topic] });
      const offsets = partitions.map((partition) =>
        BigInt(fetched?.partitions.find((one) => one.partition === partition)?.offset ?? noOffset),
      );
      if (offsets.every((offset) => offset >= lowestStable))
        return offsets.map((offset) => (offset < noOffset ? noOffset : offset));
      await pause(5 * 2 ** Math.min(attempt, 5));
    }
    throw new Error(`committed offsets of ${topic} are still changing`);
  }

  async close(): Promise<void> {
    const client = await this.admin?.catch(() => undefined);
    this.admin = undefined;
    await client?.disconnect();
  }

  private async connect(): Promise<Admin> {
    const client = this.kafka.admin();
    try {
      await client.connect();
      return client;
    } catch (error) {
      this.admin = undefined;
      throw error;
    }
  }
}
