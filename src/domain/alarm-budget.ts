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

/** Decades above the threshold that an event needs. @param spent events that the budget has paid for */
function barAt(spent: number): number {
  return budgetRange * (spent / burst) ** 2;
}

/** The part of an event that the alarm budget has not paid off yet. */
interface Charge {
  /** Id of the event. */
  id: string;
  /** Key of the device. */
  key: string;
  /** From 0 to 1 event. */
  unpaid: number;
}

export interface AlarmBudgetSnapshot {
  /** Charges at event time `at`, the oldest first. The sum of their unpaid parts is n. */
  charges: readonly Charge[];
  /** Unix ms; −Infinity before the first record. */
  at: number;
  /** Partitions that the budget of the detector is divided over. */
  partitions: number;
}

/**
 * The budget of one partition. Times are event times and never decrease, whichever methods are called.
 * @param eventsPerMs α of the whole detector
 */
export function createAlarmBudget(eventsPerMs: number, beginning?: AlarmBudgetSnapshot) {
  let { at, partitions } = beginning ?? { at: -Infinity, partitions: 1 };
  // States of older versions have no charges.
  let charges: readonly Charge[] = beginning?.charges ?? [];

  /** The charges with the parts that are unpaid at a time. */
  function unpaidAt(time: number): readonly Charge[] {
    if (!(time > at) || charges.length === 0) return charges;
    let paid = (eventsPerMs * (time - at)) / partitions;
    return charges.flatMap((charge) => {
      const unpaid = charge.unpaid - paid;
      paid = Math.max(0, -unpaid);
      return unpaid > 0 ? [{ ...charge, unpaid }] : [];
    });
  }

  /** Pays charges off for the time since the last call. */
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
    /** Charges for an event of the device that has opened. */
    charge(id: string, key: string, time: number): void {
      settle(time);
      charges = [...charges, { id, key, unpaid: 1 }];
    },
    /** Removes the charge of an event that a label calls right. */
    refund(id: string, time: number): void {
      settle(time);
      charges = charges.filter((charge) => charge.id !== id);
    },
    /** Whether a part of an event's charge is still unpaid. */
    costs: (id: string, time: number): boolean => unpaidAt(time).some((charge) => charge.id === id),
    /** Divides the budget of the detector over this many partitions from `time` on. */
    divide(over: number, time: number): void {
      if (over === partitions) return;
      settle(time);
      partitions = over;
    },
    /** Spent share of the burst: 0 = nothing is spent; from 1 on no event opens. */
    spentRatio: (time: number): number => sumOf(unpaidAt(time)) / burst,
    snapshot: (): AlarmBudgetSnapshot => ({ charges: [...charges], at, partitions }),
  };
}

function sumOf(charges: readonly Charge[]): number {
  return charges.reduce((sum, { unpaid }) => sum + unpaid, 0);
}
