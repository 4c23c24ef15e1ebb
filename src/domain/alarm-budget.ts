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
 * Where a partition has several devices, what a device has spent itself counts again for it, so that b is reached while the
 * others still have some of it. An event opens less often than the rule allows, so the bound holds as it is.
 */

/** Decades above the threshold from which more surprise buys no event. */
export const budgetRange = 4;

/** Events that open at once, if they are surprising enough. */
export const burst = 8;

/** What a device has spent is forgotten below this, events. */
const leastDebt = 0.02;

/** Decades that an event needs. @param spent events */
function barAt(spent: number): number {
  return budgetRange * (spent / burst) ** 2;
}

export interface AlarmBudgetSnapshot {
  /** Events, at event time `at`. */
  spent: number;
  /** Unix ms; −Infinity before the first record. */
  at: number;
  /** Partitions that the budget of the detector is divided over. */
  partitions: number;
  /** Share of each device in `spent`, when the last event opened. */
  debts: readonly (readonly [key: string, events: number])[];
}

export type AlarmBudget = ReturnType<typeof createAlarmBudget>;

/**
 * The budget of one partition. Times are event times, which never go back; all of them may be asked for in any order of calls.
 * @param eventsPerMs α of the whole detector
 */
export function createAlarmBudget(eventsPerMs: number, beginning?: AlarmBudgetSnapshot) {
  let { spent, at, partitions } = beginning ?? { spent: 0, at: -Infinity, partitions: 1 };
  let debts = new Map(beginning?.debts);

  function spentAt(time: number): number {
    if (!(time > at) || spent === 0) return spent;
    return Math.max(0, spent - (eventsPerMs * (time - at)) / partitions);
  }

  /** What a device has spent of it: all debts fall in proportion. */
  function debtAt(key: string, time: number): number {
    const debt = debts.get(key);
    return debt === undefined ? 0 : (debt * spentAt(time)) / sumOf(debts);
  }

  /** Applies the time that has passed. */
  function settle(time: number): void {
    const now = spentAt(time);
    const shrink = now / sumOf(debts);
    debts = new Map(
      [...debts].map(([key, debt]) => [key, debt * shrink] as const).filter(([, debt]) => debt >= leastDebt),
    );
    spent = now;
    at = Math.max(at, time);
  }

  return {
    /** Whether an event of the device may open. `shared`: the partition has other devices. */
    admits(key: string, margin: number, time: number, shared: boolean): boolean {
      const bar = barAt(spentAt(time)) + (shared ? barAt(debtAt(key, time)) : 0);
      return bar === 0 || Math.min(margin, budgetRange) > bar;
    },
    /** An event of the device has opened. */
    charge(key: string, time: number): void {
      settle(time);
      spent++;
      debts.set(key, (debts.get(key) ?? 0) + 1);
    },
    /** An event of the device was right, and costs nothing from now on. */
    refund(key: string, time: number): void {
      settle(time);
      spent = Math.max(0, spent - 1);
      const debt = (debts.get(key) ?? 0) - 1;
      if (debt >= leastDebt) debts.set(key, debt);
      else debts.delete(key);
    },
    /** The budget of the detector is divided over this many partitions from `time` on. */
    divide(over: number, time: number): void {
      if (over === partitions) return;
      settle(time);
      partitions = over;
    },
    /** 0 = nothing is spent; from 1 on no event opens. */
    spentRatio: (time: number): number => spentAt(time) / burst,
    snapshot: (): AlarmBudgetSnapshot => ({ spent, at, partitions, debts: [...debts] }),
  };
}

function sumOf(debts: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const debt of debts.values()) sum += debt;
  return sum;
}
