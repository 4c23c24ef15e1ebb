/** State of all partitions that a detector has in this process. */
import { createPartitionState, type PartitionState } from './partition';
import type { StateRules } from './rules';

export type PartitionStates = ReturnType<typeof createPartitionStates>;

export function createPartitionStates(rules: StateRules) {
  const partitions = new Map<string, { topic: string; partition: number; state: PartitionState }>();
  const all = () => [...partitions.values()].map(({ state }) => state);
  return {
    /** Created with the first call. */
    of(topic: string, partition: number): PartitionState {
      const id = `${topic}/${partition}`;
      let known = partitions.get(id);
      if (known === undefined) {
        known = { topic, partition, state: createPartitionState(topic, partition, rules) };
        partitions.set(id, known);
      }
      return known.state;
    },
    /** Drops the other partitions of the topic: they are assigned to other processes. */
    keepOnly(topic: string, kept: readonly number[]): void {
      for (const [id, known] of partitions)
        if (known.topic === topic && !kept.includes(known.partition)) partitions.delete(id);
    },
    get partitions(): readonly PartitionState[] {
      return all();
    },
    openEvents: () => all().flatMap(({ events }) => events.openEvents()),
    /** Closes the open events, as no more records follow. */
    closeEvents: () => all().flatMap(({ events }) => events.closeAll()),
  };
}
