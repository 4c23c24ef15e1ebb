import { createScoreMinutes, minuteMs, type ScoreMinutes } from '../../src/past/score-minutes';

const at = (minute: number, ms = 0): number => 29_000_000 * minuteMs + minute * minuteMs + ms;

function add(
  scores: ScoreMinutes,
  timestamp: number,
  surprise: number,
  threshold: number,
  anomalous: boolean,
  opening = -Infinity,
): void {
  scores.add({ timestamp, surprise, threshold, aboveBaseline: surprise, anomalous }, () => opening);
}

test('a minute has its most surprising record, and counts the others', () => {
  const scores = createScoreMinutes(10);
  add(scores, at(0, 100), 1.25, 3, false);
  add(scores, at(0, 900), 4.5, 3.5, true);
  add(scores, at(0, 1900), 2, 3, false);
  expect(scores.list()).toEqual([{ at: at(0), surprise: 4.5, threshold: 3.5, records: 3, anomalous: 1 }]);
});

test('the newest minutes are kept, in order, without those that have no record', () => {
  const scores = createScoreMinutes(3);
  for (const minute of [0, 1, 2, 4]) add(scores, at(minute), minute, 3, false);
  expect(scores.list().map((one) => one.at)).toEqual([at(2), at(4)]);
  // Late, but within the time that is kept.
  add(scores, at(3), 9, 3, true);
  // Too old.
  add(scores, at(1), 9, 3, true);
  expect(scores.list().map((one) => one.at)).toEqual([at(2), at(3), at(4)]);
});

test('a violated limit has the largest surprise', () => {
  const scores = createScoreMinutes(2);
  add(scores, at(0), 300, 3, true);
  expect(scores.list()[0]).toMatchObject({ surprise: 300, anomalous: 1 });
});

test('counts end at 65,535 and do not disturb each other', () => {
  const scores = createScoreMinutes(1);
  for (let i = 0; i < 70_000; i++) add(scores, at(0), 1, 3, true);
  expect(scores.list()[0]).toMatchObject({ records: 65_535, anomalous: 65_535 });
});

test('stored minutes are restored beside newer ones', () => {
  const before = createScoreMinutes(5);
  for (const minute of [0, 1, 2]) add(before, at(minute), minute, 3, minute === 2);
  const after = createScoreMinutes(5);
  add(after, at(3), 7, 3, false);
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
  for (let minute = 0; minute < 5; minute++) add(before, at(minute), minute, 3, false);
  const after = createScoreMinutes(2);
  after.restore(before.cells());
  expect(after.list().map((one) => one.at)).toEqual([at(3), at(4)]);
});

test('a minute has the largest threshold at which an event would have begun, also after a restart', () => {
  const scores = createScoreMinutes(5);
  add(scores, at(0), 2, 3, false);
  add(scores, at(0, 1), 4.019, 3, true, 1.5);
  add(scores, at(0, 2), 4, 3, true, 2.999);
  add(scores, at(1), 300, 3, true, -0.25);
  const restored = createScoreMinutes(5);
  restored.restore(scores.cells());
  for (const one of [scores, restored]) {
    const [first, second] = [at(0) / minuteMs, at(1) / minuteMs];
    expect([one.records(first), one.above(first), one.opening(first)]).toEqual([3, 4.01, 2.99]);
    expect([one.records(second), one.above(second), one.opening(second)]).toEqual([1, 300, -0.25]);
    expect(one.records(at(2) / minuteMs)).toBe(0);
  }
});
