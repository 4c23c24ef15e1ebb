import { createEventBudget, PartitionClock } from '../../src/domain/event-budget';

test('the clock is that of the newest record of any key, and knows whether there are several', () => {
  const clock = new PartitionClock();
  clock.meet('a', 5);
  clock.meet('a', 3);
  expect(clock).toMatchObject({ now: 5, firstKey: 'a', shared: false });
  clock.meet('b', 4);
  clock.meet('a', 9);
  expect(clock).toMatchObject({ now: 9, firstKey: 'a', shared: true });
});

test('an event is admitted and charged at the time of the partition, and costs until that is paid or refunded', () => {
  const clock = new PartitionClock(0);
  const budget = createEventBudget(0.001, clock);
  expect(budget.admit({ id: 'one', key: 'a' }, 4)).toBe(true);
  expect(budget.admit({ id: 'two', key: 'a' }, 4)).toBe(true);
  expect(budget.spentRatio).toBeCloseTo(2 / 8);
  expect(budget.admit({ id: 'three', key: 'a' }, 0.01)).toBe(false);
  budget.refund('two');
  expect([budget.costs('one'), budget.costs('two'), budget.costs('three')]).toEqual([true, false, false]);
  clock.meet('a', 1000);
  expect([budget.costs('one'), budget.spentRatio]).toEqual([false, 0]);
  expect(createEventBudget(0.001, clock, budget.snapshot()).snapshot()).toEqual(budget.snapshot());
});

test('without a budget each event is admitted and costs nothing', () => {
  const budget = createEventBudget(undefined, new PartitionClock());
  expect(budget.admit({ id: 'one', key: 'a' }, 0)).toBe(true);
  expect([budget.costs('one'), budget.spentRatio, budget.snapshot()]).toEqual([false, 0, undefined]);
});
