import { checkBound } from './alarm-budget-sequences';

test(
  'whatever comes, no stretch of T has more than αT + N + 1 events that nobody calls right',
  () => checkBound(100_000),
  600_000,
);
