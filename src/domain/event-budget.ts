/** Event time of a partition, and the part of the alarm budget that its events use. */
import { createAlarmBudget, type AlarmBudgetSnapshot } from './alarm-budget';
import type { AnomalyEvent } from './anomaly-event';

/** Advances with each record of any key. */
export class PartitionClock {
  /**
   * @param now the newest event time of any key, Unix ms. Silence is measured on this clock from the arrival of a record, as
   * keys may lag
   * @param shared whether the partition has several keys
   */
  constructor(
    public now = -Infinity,
    public firstKey?: string,
    public shared = false,
  ) {}

  /** Advances the clock to a record's time, and notes whether it has another key. */
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
    /** Whether a part of an event's charge is still unpaid. */
    costs: (id: string): boolean => budget?.costs(id, clock.now) === true,
    refund: (id: string): void => budget?.refund(id, clock.now),
    /** Divides the budget of the detector over this many partitions. */
    divide: (partitions: number): void => budget?.divide(partitions, clock.now),
    /** Spent share of the burst: 0 = nothing is spent, or there is no budget; from 1 on no event opens. */
    get spentRatio() {
      return budget?.spentRatio(clock.now) ?? 0;
    },
    /** Undefined where there is no budget. */
    snapshot: (): AlarmBudgetSnapshot | undefined => budget?.snapshot(),
  };
}
