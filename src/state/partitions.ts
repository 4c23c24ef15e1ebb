/** State of all partitions of a detector in this process. */
import { bySurprise, type AnomalyEvent } from '../domain/anomaly-event';
import { highest } from '../domain/highest';
import { createPartitionState, type PartitionState } from './partition';
import type { StateRules } from './rules';

export type PartitionStates = ReturnType<typeof createPartitionStates>;

export function createPartitionStates(rules: StateRules) {
  const states = new Map<string, PartitionState>();
  const all = () => [...states.values()];
  return {
    /** The state of a partition, created at the first call. */
    of(topic: string, partition: number): PartitionState {
      const id = `${topic}/${partition}`;
      let state = states.get(id);
      if (state === undefined) states.set(id, (state = createPartitionState(topic, partition, rules)));
      return state;
    },
    /** Drops the other partitions of the topic, which are assigned to other processes. */
    keepOnly(topic: string, kept: readonly number[]): void {
      for (const [id, state] of states)
        if (state.topic === topic && !kept.includes(state.partition)) states.delete(id);
    },
    get partitions(): readonly PartitionState[] {
      return all();
    },
    currentEvents: () => all().flatMap(({ events }) => events.currentEvents()),
    /** Number of open events. */
    get open(): number {
      return all().reduce((sum, { events }) => sum + events.open, 0);
    },
    /** Number of devices that have a window. */
    get devices(): number {
      return all().reduce((sum, { windows }) => sum + windows.size, 0);
    },
    /** Spent share of the alarm budget, in the partition with the largest share. */
    get budgetSpentRatio(): number {
      return Math.max(0, ...all().map(({ events }) => events.budgetSpentRatio));
    },
    /** The most surprising open events of all partitions, at most `limit`. */
    openEvents: (limit: number): readonly AnomalyEvent[] =>
      highest(
        all().flatMap(({ events }) => events.openEvents(limit)),
        limit,
        bySurprise,
      ),
    /** Closes the open events when no more records follow. */
    closeEvents: () => all().flatMap(({ events }) => events.closeAll()),
  };
}
