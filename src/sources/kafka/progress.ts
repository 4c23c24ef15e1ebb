/** Progress of a process in the partitions of a topic. It outlives a consumer, so that the next one continues from it. */
import type { Progress } from './offsets';

export class TopicProgress {
  private readonly known = new Map<number, Progress>();
  /** Partitions of the last assignment. Their state stays in this process, even while it joins the group again. */
  owned: readonly number[] = [];

  of(partition: number): Progress | undefined {
    return this.known.get(partition);
  }

  /** Call when all messages before `position` are handled. */
  handled(partition: number, position: bigint): void {
    this.known.set(partition, { position, committed: this.of(partition)?.committed ?? false });
  }

  /** Call when the broker has confirmed `offset` as that of the group. */
  confirmed(partition: number, offset: bigint): void {
    this.known.set(partition, { position: this.of(partition)?.position ?? offset, committed: true });
  }

  /** Call when the topic was recreated: earlier offsets are no longer valid. */
  forget(partition: number): void {
    this.known.delete(partition);
  }
}
