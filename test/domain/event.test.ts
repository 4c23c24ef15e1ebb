import type { Detection } from '../../src/domain/detection';
import { createEventTracker, type EventPolicy } from '../../src/domain/event';

const policy: EventPolicy = { openRecords: 2, openWindow: 3, closeAfter: 2 };

function detection(timestamp: number, surprise: number, key = 'pump-1'): Detection {
  return {
    detector: 'plant',
    key,
    timestamp,
    origin: { topic: 't', partition: 0, offset: String(timestamp) },
    surprise,
    threshold: 3,
    anomalous: surprise >= 3,
    extrapolated: false,
    limits: [],
    statistics: {},
    contributions: [
      { channel: `at-${timestamp}`, contribution: 1, actual: 1, expected: 0, surprise: 3, repeats: 0 },
    ],
    modelVersion: 'v1',
  };
}

/** One letter a record: `!` is anomalous, `.` is not. Returns what each record did. */
function replay(pattern: string, overrides: Partial<EventPolicy> = {}): string {
  const tracker = createEventTracker({ ...policy, ...overrides });
  return Array.from(pattern)
    .map((letter, i) => tracker.observe(detection(i, letter === '!' ? 4 : 0))?.status ?? '-')
    .map((status) => status.charAt(0))
    .join('');
}

describe('an event', () => {
  test.each([
    ['opens when k of the last n records are anomalous', '!.!', {}, '--o'],
    ['opens with the second of two in a row', '.!!', {}, '--o'],
    ['does not open on anomalous records that lie further apart than n', '!..!..!', {}, '-------'],
    ['opens at once when one record is enough', '!', { openRecords: 1, openWindow: 1 }, 'o'],
    ['closes after m quiet records in a row', '!!..', {}, '-o-c'],
    ['stays open while the quiet records are fewer than m', '!!.!.!.!', {}, '-o------'],
    ['needs k anomalous records again after it closed', '!!..!.!', {}, '-o-c--o'],
    ['does not open on records that belonged to the one before', '!!!..!', {}, '-o--c-'],
  ])('%s', (_, pattern, overrides, expected) => {
    expect(replay(pattern, overrides)).toBe(expected);
  });

  test('begins with the first anomalous record and says when it was opened', () => {
    const tracker = createEventTracker(policy);
    tracker.observe(detection(1000, 4));
    tracker.observe(detection(2000, 0));
    expect(tracker.observe(detection(3000, 3.5))).toEqual({
      id: 'plant/pump-1/1970-01-01T00:00:01.000Z',
      detector: 'plant',
      key: 'pump-1',
      status: 'open',
      start: 1000,
      end: 3000,
      openedAt: 3000,
      anomalousRecords: 2,
      peakSurprise: 4,
      peakAt: 1000,
      threshold: 3,
      contributions: detection(1000, 4).contributions,
      modelVersion: 'v1',
    });
  });

  test('ends with its newest anomalous record and shows the most surprising one', () => {
    const tracker = createEventTracker(policy);
    for (const [time, surprise] of [
      [1, 4],
      [2, 5],
      [3, 9],
      [4, 6],
      [5, 0],
    ] as const)
      tracker.observe(detection(time, surprise));
    expect(tracker.observe(detection(6, 0))).toMatchObject({
      status: 'closed',
      start: 1,
      end: 4,
      openedAt: 2,
      anomalousRecords: 4,
      peakSurprise: 9,
      peakAt: 3,
      contributions: [{ channel: 'at-3' }],
    });
  });

  test('does not change any more once it has been handed out', () => {
    const tracker = createEventTracker({ ...policy, openRecords: 1 });
    const opened = tracker.observe(detection(1, 4));
    tracker.observe(detection(2, 9));
    expect(opened).toMatchObject({ peakSurprise: 4, anomalousRecords: 1 });
  });

  test('is that of one key alone', () => {
    const tracker = createEventTracker(policy);
    expect(tracker.observe(detection(1, 4, 'a'))).toBeUndefined();
    expect(tracker.observe(detection(2, 4, 'b'))).toBeUndefined();
    expect(tracker.observe(detection(3, 4, 'a'))).toMatchObject({ key: 'a', status: 'open' });
    expect(tracker.openEvents().map(({ key }) => key)).toEqual(['a']);
  });
});

test('closing all ends what is open and forgets what was about to open', () => {
  const tracker = createEventTracker(policy);
  tracker.observe(detection(1, 4, 'a'));
  tracker.observe(detection(2, 4, 'a'));
  tracker.observe(detection(2, 4, 'b'));
  expect(tracker.closeAll()).toMatchObject([{ key: 'a', status: 'closed', end: 2 }]);
  expect(tracker.openEvents()).toEqual([]);
  expect(tracker.closeAll()).toEqual([]);
  expect(tracker.observe(detection(3, 4, 'b'))).toBeUndefined();
});
