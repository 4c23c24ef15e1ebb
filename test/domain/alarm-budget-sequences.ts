/** The theorem of the alarm budget, tried on sequences that are drawn at random. */
import { budgetRange, burst, createAlarmBudget } from '../../src/domain/alarm-budget';
import { seededUniform } from '../calibration/seeded';

/** N + 1. */
const most = burst + 1;

/** Largest excess of events over α T of any stretch of a sequence of (time, events) steps. */
function createExcess(eventsPerMs: number) {
  let [events, least, worst] = [0, Infinity, 0];
  return {
    step(time: number, opened: number): void {
      least = Math.min(least, events - eventsPerMs * time);
      events += opened;
      worst = Math.max(worst, events - eventsPerMs * time - least);
    },
    get worst() {
      return worst;
    },
  };
}

/** Sequences that an adversary chooses. Returns the largest excesses over α T: of the events that nobody calls right, and of all. */
function worstExcesses(runs: number): { unlabelled: number; all: number } {
  const uniform = seededUniform(1);
  const excesses: number[] = [];
  const withLabelled: number[] = [];
  for (let run = 0; run < runs; run++) {
    const eventsPerMs = 10 ** (-4 * uniform());
    const devices = 1 + Math.floor(4 * uniform());
    // Several adversaries: as sure as can be, just enough, at random, and quiet until there is budget again.
    const style = Math.floor(4 * uniform());
    const pause = 10 ** (3 * uniform());
    let budget = createAlarmBudget(eventsPerMs);
    /** Of all events in order: their time, and whether somebody calls them right, some time later. */
    const events: { id: string; time: number; right: boolean; refunded: boolean }[] = [];
    const honesty = uniform() < 0.3 ? 0 : uniform();
    let time = 0;
    for (let i = 0; i < 40; i++) {
      if (uniform() < 0.3) time += pause * uniform();
      if (style === 3 && budget.spentRatio(time) > 0.6 && uniform() < 0.5) time += pause;
      if (uniform() < 0.1) budget = createAlarmBudget(eventsPerMs, budget.snapshot());
      const bar = budgetRange * budget.spentRatio(time) ** 2;
      const key = `k${Math.floor(devices * uniform())}`;
      const margin = [300, Math.min(bar + 1e-9, 3.9999999), 5 * uniform(), 300][style]!;
      const opens = budget.admits(key, margin, time, devices > 1);
      if (opens) {
        budget.charge(String(i), key, time);
        events.push({ id: String(i), time, right: uniform() < honesty, refunded: false });
      }
      // All at once, one late, or the newest: what an adversary would choose.
      if (uniform() < 0.2)
        for (const event of events)
          if (event.right && !event.refunded && uniform() < 0.5) {
            budget.refund(event.id, time);
            event.refunded = true;
          }
    }
    excesses.push(excessOf(events.filter(({ right }) => !right)));
    withLabelled.push(excessOf(events));

    function excessOf(some: typeof events): number {
      const excess = createExcess(eventsPerMs);
      for (const event of some) excess.step(event.time, 1);
      return excess.worst;
    }
  }
  const largest = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b));
  return { unlabelled: largest(excesses), all: largest(withLabelled) };
}

/** αT + N + 1, with which the sequences are compared. */
export function checkBound(runs: number): void {
  const { unlabelled, all } = worstExcesses(runs);
  expect(unlabelled).toBeLessThanOrEqual(most + 1e-6);
  // The bound is nearly reached.
  expect(unlabelled).toBeGreaterThan(most - 1.01);
  // Events that were right are outside of it.
  expect(all).toBeGreaterThan(2 * most);
}
