import { createScoreMinutes, minuteMs } from '../../src/past/score-minutes';

const at = (minute: number, ms = 0): number => 29_000_000 * minuteMs + minute * minuteMs + ms;

test('a minute has its most surprising record, and counts the others', () => {
  const scores = createScoreMinutes(10);
  scores.add(at(0, 100), 1.25, 3, false);
  scores.add(at(0, 900), 4.5, 3.5, true);
  scores.add(at(0, 1900), 2, 3, false);
  expect(scores.list()).toEqual([{ at: at(0), surprise: 4.5, threshold: 3.5, records: 3, anomalous: 1 }]);
});

test('the newest minutes are kept, in order, without those that have no record', () => {
  const scores = createScoreMinutes(3);
  for (const minute of [0, 1, 2, 4]) scores.add(at(minute), minute, 3, false);
  expect(scores.list().map((one) => one.at)).toEqual([at(2), at(4)]);
  // Late, but within the time that is kept.
  scores.add(at(3), 9, 3, true);
  // Too old.
  scores.add(at(1), 9, 3, true);
  expect(scores.list().map((one) => one.at)).toEqual([at(2), at(3), at(4)]);
});

test('a violated limit has the largest surprise', () => {
  const scores = createScoreMinutes(2);
  scores.add(at(0), 300, 3, true);
  expect(scores.list()[0]).toMatchObject({ surprise: 300, anomalous: 1 });
});

test('counts end at 65,535 and do not disturb each other', () => {
  const scores = createScoreMinutes(1);
  for (let i = 0; i < 70_000; i++) scores.add(at(0), 1, 3, true);
  expect(scores.list()[0]).toMatchObject({ records: 65_535, anomalous: 65_535 });
});

test('stored minutes are restored beside newer ones', () => {
  const before = createScoreMinutes(5);
  for (const minute of [0, 1, 2]) before.add(at(minute), minute, 3, minute === 2);
  const after = createScoreMinutes(5);
  after.add(at(3), 7, 3, false);
  after.restore(before.cells());
  expect(after.list().map((one) => [one.at, one.surprise, one.anomalous])).toEqual([
    [at(0), 0, 0],
    [at(1), 1, 0],
    [at(2), 2, 1],
    [at(3), 7, 0],
  ]);
  expect(after.newest).toBe(at(3) / minuteMs);
});

test('fewer minutes than were stored keep the newest', () => {
  const before = createScoreMinutes(5);
  for (let minute = 0; minute < 5; minute++) before.add(at(minute), minute, 3, false);
  const after = createScoreMinutes(2);
  after.restore(before.cells());
  expect(after.list().map((one) => one.at)).toEqual([at(3), at(4)]);
});
