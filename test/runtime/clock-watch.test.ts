import { createClockWatch } from '../../src/runtime/clock-watch';

function create() {
  const time = { wall: 1e12, passed: 500 };
  return {
    time,
    watch: createClockWatch(
      () => time.wall,
      () => time.passed,
    ),
  };
}

test('a clock that is set back does not move the bound for times of records, and one that is set ahead does', () => {
  const { time, watch } = create();
  time.wall -= 3_600_000;
  time.passed += 1000;
  expect(watch.latest()).toBe(1e12 + 1000);
  time.wall = 1e12 + 60_000;
  expect(watch.latest()).toBe(1e12 + 60_000);
});

test('each jump is measured once', () => {
  const { time, watch } = create();
  time.wall += 10_000;
  time.passed += 10_000;
  expect(watch.jump()).toBe(0);
  time.wall += 5_000 - 3_600_000;
  time.passed += 5_000;
  expect(watch.jump()).toBe(-3_600_000);
  expect(watch.jump()).toBe(0);
});
