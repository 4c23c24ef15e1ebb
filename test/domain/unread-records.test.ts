import { createUnreadRecords } from '../../src/domain/unread-records';

const next = { restart: false, fillers: 0 };
const restart = { restart: true, fillers: 0 };

test('with a known past a new key lacks nothing', () => {
  expect(createUnreadRecords(4, 100, -Infinity).after(4, 0, restart)).toBe(0);
});

test('with an unknown past a key lacks the rest of its window, until twice the TTL has passed', () => {
  const unread = createUnreadRecords(4, 100, Infinity);
  expect(unread.after(4, 1000, restart)).toBe(3);
  expect(unread.knownFrom).toBe(1200);
  expect(unread.after(4, 1199, restart)).toBe(3);
  expect(unread.after(4, 1200, restart)).toBe(0);
});

test('each record and each filler replaces one that is lacking, and a new window lacks none', () => {
  const unread = createUnreadRecords(4, 100, -Infinity);
  expect(unread.after(3, 0, next)).toBe(2);
  expect(unread.after(3, 0, { restart: false, fillers: 1 })).toBe(1);
  expect(unread.after(1, 0, { restart: false, fillers: 2 })).toBe(0);
  expect(unread.after(3, 0, restart)).toBe(0);
});

test('after an interruption the past is unknown again', () => {
  const unread = createUnreadRecords(4, 100, 0);
  unread.interrupt();
  expect(unread.after(4, 5000, next)).toBe(3);
  expect(unread.knownFrom).toBe(5200);
});
