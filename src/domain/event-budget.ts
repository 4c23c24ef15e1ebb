/** Event time of a partition, and what its events cost of the alarm budget. */
import { createAlarmBudget, type AlarmBudgetSnapshot } from './alarm-budget';
import type { AnomalyEvent } from './anomaly-event';

/** Advances with each record of any key. */
export class PartitionClock {
  /**
   * @param now the newest event time of any key, Unix ms; silence is measured on it from the arrival of a record, as keys may lag
   * @param shared whether other keys have followed the first one
   */
  constructor(
    public now = -Infinity,
    public firstKey?: string,
    public shared = false,
  ) {}

  /** Takes note of a record's key and time. */
  meet(key: string, timestamp: number): void {
    if (timestamp > this.now) this.now = timestamp;
    this.firstKey ??= key;
    if (key !== this.firstKey) this.shared = true;
  }
}

export type EventBudget = ReturnType<typeof createEventBudget>;

/** @param eventsPerMs of the detector; undefined = no budget: each event is admitted and costs nothing */
export function createEventBudget(
  eventsPerMs: number | undefined,
  clock: PartitionClock,
  beginning?: AlarmBudgetSnapshot,
) {
  const budget = eventsPerMs === undefined ? undefined : createAlarmBudget(eventsPerMs, beginning);
  return {
    /** Charges for an event with this margin, in decades; false = the budget is spent. */
    admit: ({ id, key }: Pick<AnomalyEvent, 'id' | 'key'>, margin: number): boolean => {
      if (budget?.admits(key, margin, clock.now, clock.shared) === false) return false;
      budget?.charge(id, key, clock.now);
      return true;
    },
    /** Whether something of an event is not paid. */
    costs: (id: string): boolean => budget?.costs(id, clock.now) === true,
    refund: (id: string): void => budget?.refund(id, clock.now),
    /** The budget of the detector is divided over this many partitions. */
    divide: (partitions: number): void => budget?.divide(partitions, clock.now),
    /** 0 = nothing is spent, or there is no budget; from 1 on no event opens. */
    get spentRatio() {
      return budget?.spentRatio(clock.now) ?? 0;
    },
    /** Undefined where there is no budget. */
    snapshot: (): AlarmBudgetSnapshot | undefined => budget?.snapshot(),
  };
}
