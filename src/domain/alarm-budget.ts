/**
 * Limits how many events a partition opens, whatever its records are. Surprise is measured as `margin`: decades above the
 * surprise from which events of normal records are as rare as the budget. With n the events spent (0 at first), N = `burst`,
 * b = `budgetRange`, and α events per ms:
 *
 *     an event opens only if n = 0 or min(margin, b) > b·(n/N)²;   n ← max(0, n + e − α Δt),   e = 1 where one opens, else 0
 *
 * In every stretch of T ms at most α T + N + 1 events open: n grows by at least Σ(e − α Δt), an event needs n < N, so n never
 * exceeds N + 1, and it began at 0 or above. No property of the records is assumed, and the bar never falls below 0. (The
 * one-sided form of quantile tracking; Angelopoulos, Candès & Tibshirani 2023, "Conformal PID control for time series
 * prediction", section 2, with a bar that grows slowly at first, so that the faults of one hour open events, and those of every hour do not.)
 *
 * Time pays the oldest events first. From when a label calls an event right, its unpaid part is refunded: so the bound holds for the
 * others, whenever labels come, as their unpaid part grows by 1 per event, falls by at most α Δt, and is at most n.
 *
 * Where a partition has several devices, what a device has spent itself counts again for it, so that b is reached while the
 * others still have some of it. An event opens less often than the rule allows, so the bound holds as it is.
 */

/** Decades above the threshold from which more surprise buys no event. */
export const budgetRange = 4;

/** Events that open at once, if they are surprising enough. */
export const burst = 8;

/** Decades that an event needs. @param spent events */
function barAt(spent: number): number {
  return budgetRange * (spent / burst) ** 2;
}

/** What an event still costs. */
interface Charge {
  /** Id of the event. */
  id: string;
  /** Key of the device. */
  key: string;
  /** 0 to 1 event. */
  unpaid: number;
}

export interface AlarmBudgetSnapshot {
  /** At event time `at`, the oldest first. Their sum is n. */
  charges: readonly Charge[];
  /** Unix ms; −Infinity before the first record. */
  at: number;
  /** Partitions that the budget of the detector is divided over. */
  partitions: number;
}

/**
 * The budget of one partition. Times are event times, which never go back; all of them may be asked for in any order of calls.
 * @param eventsPerMs α of the whole detector
 */
export function createAlarmBudget(eventsPerMs: number, beginning?: AlarmBudgetSnapshot) {
  let { at, partitions } = beginning ?? { at: -Infinity, partitions: 1 };
  // States of older versions have no charges.
  let charges: readonly Charge[] = beginning?.charges ?? [];

  /** The unpaid parts at a time. */
  function unpaidAt(time: number): readonly Charge[] {
    if (!(time > at) || charges.length === 0) return charges;
    let paid = (eventsPerMs * (time - at)) / partitions;
    return charges.flatMap((charge) => {
      const unpaid = charge.unpaid - paid;
      paid = Math.max(0, -unpaid);
      return unpaid > 0 ? [{ ...charge, unpaid }] : [];
    });
  }

  /** Applies the time that has passed. */
  function settle(time: number): void {
    charges = unpaidAt(time);
    at = Math.max(at, time);
  }

  return {
    /** Whether an event of the device may open. `shared`: the partition has other devices. */
    admits(key: string, margin: number, time: number, shared: boolean): boolean {
      const all = unpaidAt(time);
      const own = shared ? all.filter((charge) => charge.key === key) : [];
      const bar = barAt(sumOf(all)) + barAt(sumOf(own));
      return bar === 0 || Math.min(margin, budgetRange) > bar;
    },
    /** An event of the device has opened. */
    charge(id: string, key: string, time: number): void {
      settle(time);
      charges = [...charges, { id, key, unpaid: 1 }];
    },
    /** An event was right, and costs nothing from now on. */
    refund(id: string, time: number): void {
      settle(time);
      charges = charges.filter((charge) => charge.id !== id);
    },
    /** Whether something of an event is not paid. */
    costs: (id: string, time: number): boolean => unpaidAt(time).some((charge) => charge.id === id),
    /** The budget of the detector is divided over this many partitions from `time` on. */
    divide(over: number, time: number): void {
      if (over === partitions) return;
      settle(time);
      partitions = over;
    },
    /** 0 = nothing is spent; from 1 on no event opens. */
    spentRatio: (time: number): number => sumOf(unpaidAt(time)) / burst,
    snapshot: (): AlarmBudgetSnapshot => ({ charges: [...charges], at, partitions }),
  };
}

function sumOf(charges: readonly Charge[]): number {
  return charges.reduce((sum, { unpaid }) => sum + unpaid, 0);
}
