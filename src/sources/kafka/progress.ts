/** Progress of a process in the partitions of a topic. It outlives a consumer, so that the next one continues from it. */
import type { Progress } from './offsets';

export class TopicProgress {
  private readonly known = new Map<number, Progress>();
  /** Assigned last; their state is still in this process, also while it joins the group again. */
  owned: readonly number[] = [];

  of(partition: number): Progress | undefined {
    return this.known.get(partition);
  }

  /** All messages before `position` are handled. */
  handled(partition: number, position: bigint): void {
    this.known.set(partition, { position, committed: this.of(partition)?.committed ?? false });
  }

  /** The broker has confirmed `offset` as the group's. */
  confirmed(partition: number, offset: bigint): void {
    this.known.set(partition, { position: this.of(partition)?.position ?? offset, committed: true });
  }

  /** The topic was recreated: earlier offsets mean nothing. */
  forget(partition: number): void {
    this.known.delete(partition);
  }
}
