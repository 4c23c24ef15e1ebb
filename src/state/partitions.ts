/** State of all partitions that a detector has in this process. */
import type { AnomalyEvent } from '../domain/event';
import { createPartitionState, type PartitionState } from './partition';
import type { StateRules } from './rules';

export interface PartitionStates {
  /** Created with the first call. */
  of(topic: string, partition: number): PartitionState;
  /** Drops the other partitions of the topic: they are assigned to other processes. */
  keepOnly(topic: string, partitions: readonly number[]): void;
  readonly partitions: readonly PartitionState[];
  openEvents(): AnomalyEvent[];
  /** Closes the open events, as no more records follow. */
  closeEvents(): AnomalyEvent[];
}

export function createPartitionStates(rules: StateRules): PartitionStates {
  const partitions = new Map<string, { topic: string; partition: number; state: PartitionState }>();
  const all = () => [...partitions.values()].map(({ state }) => state);
  return {
    of(topic, partition) {
      const id = `${topic}/${partition}`;
      let known = partitions.get(id);
      if (known === undefined) {
        known = { topic, partition, state: createPartitionState(topic, partition, rules) };
        partitions.set(id, known);
      }
      return known.state;
    },
    keepOnly(topic, kept) {
      for (const [id, known] of partitions)
        if (known.topic === topic && !kept.includes(known.partition)) partitions.delete(id);
    },
    get partitions() {
      return all();
    },
    openEvents: () => all().flatMap(({ events }) => events.openEvents()),
    closeEvents: () => all().flatMap(({ events }) => events.closeAll()),
  };
}
