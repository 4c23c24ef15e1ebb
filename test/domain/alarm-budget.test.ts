import { createAlarmBudget } from '../../src/domain/alarm-budget';
import { checkBound } from './alarm-budget-sequences';

test(
  'whatever comes, no stretch of T has more than αT + N + 1 events that nobody calls right',
  () => checkBound(1_000),
  60_000,
);

test('a budget that is full admits what is anomalous, and is spent by eight sure events of a single device', () => {
  const budget = createAlarmBudget(0.001);
  expect(budget.admits('a', 0, 0, false)).toBe(true);
  let opened = 0;
  while (budget.admits('a', 300, 0, false)) {
    budget.charge(`e${opened}`, 'a', 0);
    opened++;
  }
  expect([opened, budget.spentRatio(0)]).toEqual([8, 1]);
  // One event per 1,000 ms.
  expect(budget.admits('a', 300, 1, false)).toBe(true);
  budget.charge('e9', 'a', 1);
  expect(budget.admits('a', 300, 990, false)).toBe(false);
  expect(budget.admits('a', 300, 1002, false)).toBe(true);
  expect(budget.admits('a', 3, 2060, false)).toBe(false);
  expect(budget.admits('a', 3, 2080, false)).toBe(true);
});

test('a device that alarms all the time leaves something of the budget to the others', () => {
  const budget = createAlarmBudget(1e-6);
  let noisy = 0;
  for (let time = 0; time < 10_000; time++)
    if (budget.admits('noisy', 300, time, true)) {
      budget.charge(`e${time}`, 'noisy', time);
      noisy++;
    }
  expect(noisy).toBe(6);
  expect(budget.admits('noisy', 300, 10_000, true)).toBe(false);
  expect(budget.admits('quiet', 2.3, 10_000, true)).toBe(true);
  expect(budget.admits('quiet', 2.2, 10_000, true)).toBe(false);
  budget.charge('other', 'quiet', 10_000);
  expect(budget.admits('quiet', 3.2, 10_000, true)).toBe(true);
});

test('an event that was right is refunded what is not paid of it', () => {
  const budget = createAlarmBudget(0.01);
  for (const id of ['a', 'b', 'c']) budget.charge(id, 'device', 0);
  budget.refund('b', 0);
  expect(budget.snapshot().charges).toMatchObject([
    { id: 'a', unpaid: 1 },
    { id: 'c', unpaid: 1 },
  ]);
  // Time pays the oldest first.
  expect(budget.costs('a', 99)).toBe(true);
  expect(budget.costs('a', 101)).toBe(false);
  budget.refund('a', 150);
  expect(budget.spentRatio(150)).toBeCloseTo(0.5 / 8);
  budget.refund('c', 150);
  for (let i = 0; i < 5; i++) budget.refund('c', 150);
  expect(budget.spentRatio(150)).toBe(0);
  expect(budget.admits('device', 0.1, 150, true)).toBe(true);
});

test('a share of the budget is refunded in proportion: half of it for one of two partitions', () => {
  const budget = createAlarmBudget(0.01);
  for (let i = 0; i < 8; i++) budget.charge(`e${i}`, 'a', 0);
  budget.divide(2, 0);
  expect(budget.spentRatio(400)).toBeCloseTo(0.75);
  budget.divide(1, 400);
  expect(budget.spentRatio(600)).toBeCloseTo(0.5);
  // Time does not go back.
  expect(budget.spentRatio(100)).toBeCloseTo(0.75);
});
