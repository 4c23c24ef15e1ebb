import { wallClock } from '../../src/runtime/clock';
import { createSchedule, type ScheduleOptions } from '../../src/runtime/schedule';

const minute = 60_000;
const hour = 60 * minute;

beforeEach(() => jest.useFakeTimers());
afterEach(() => {
  const left = jest.getTimerCount();
  jest.useRealTimers();
  expect(left).toBe(0);
});

/** A schedule whose calls are recorded as ISO times. */
function start(at: string, options: Partial<ScheduleOptions>) {
  jest.setSystemTime(new Date(at));
  const calls: string[] = [];
  const skipped: string[] = [];
  const errors: unknown[] = [];
  const now = () => new Date().toISOString();
  const schedule = createSchedule({
    cron: '0 * * * *',
    timeZone: 'UTC',
    jitterMs: 0,
    onDue: () => {
      calls.push(now());
      return Promise.resolve();
    },
    onSkipped: () => skipped.push(now()),
    onError: (error) => errors.push(error),
    ...options,
  });
  return { schedule, calls, skipped, errors };
}

it('calls at each due time, to the millisecond', async () => {
  const { schedule, calls } = start('2026-01-01T00:00:00.500Z', { cron: '*/20 * * * *' });
  expect(schedule.next()?.toISOString()).toBe('2026-01-01T00:20:00.000Z');
  await jest.advanceTimersByTimeAsync(hour);
  expect(calls).toEqual(['2026-01-01T00:20:00.000Z', '2026-01-01T00:40:00.000Z', '2026-01-01T01:00:00.000Z']);
  schedule.stop();
});

it('supports seconds', async () => {
  const { schedule, calls } = start('2026-01-01T00:00:00Z', { cron: '*/10 * * * * *' });
  await jest.advanceTimersByTimeAsync(minute);
  expect(calls.length).toBe(6);
  schedule.stop();
});

it('waits a month, longer than a timer can', async () => {
  const { schedule, calls } = start('2026-01-01T00:00:01Z', { cron: '0 0 1 2 *' });
  jest.advanceTimersByTime(31 * 24 * hour - 2000);
  expect(calls).toEqual([]);
  await jest.advanceTimersByTimeAsync(1000);
  expect(calls).toEqual(['2026-02-01T00:00:00.000Z']);
  schedule.stop();
});

it('delays each due time by its own part of the jitter', async () => {
  const random = jest.fn().mockReturnValueOnce(0.5).mockReturnValueOnce(0.1).mockReturnValue(0);
  const { schedule, calls } = start('2026-01-01T00:30:00Z', {
    jitterMs: 10 * minute,
    clock: { ...wallClock, random },
  });
  expect(schedule.next()?.toISOString()).toBe('2026-01-01T01:05:00.000Z');
  await jest.advanceTimersByTimeAsync(3 * hour);
  expect(calls).toEqual(['2026-01-01T01:05:00.000Z', '2026-01-01T02:01:00.000Z', '2026-01-01T03:00:00.000Z']);
  schedule.stop();
});

it('never runs two at once: a due time during a run is skipped and reported', async () => {
  let running = 0;
  let most = 0;
  const { schedule, skipped } = start('2026-01-01T00:30:00Z', {
    onDue: async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 90 * minute));
      running--;
    },
  });
  await jest.advanceTimersByTimeAsync(4 * hour);
  expect(most).toBe(1);
  expect(skipped).toEqual(['2026-01-01T02:00:00.000Z', '2026-01-01T04:00:00.000Z']);
  schedule.stop();
  await jest.advanceTimersByTimeAsync(2 * hour);
  expect(running).toBe(0);
});

it('goes on after a rejection or a throw, and hands it over', async () => {
  const failure = new Error('no');
  const onDue = jest
    .fn<Promise<void>, []>()
    .mockRejectedValueOnce(failure)
    .mockImplementationOnce(() => {
      throw failure;
    })
    .mockResolvedValue();
  const { schedule, errors } = start('2026-01-01T00:30:00Z', { onDue });
  await jest.advanceTimersByTimeAsync(3 * hour);
  expect(errors).toEqual([failure, failure]);
  expect(onDue).toHaveBeenCalledTimes(3);
  schedule.stop();
});

it('calls once, not once for each due time, after the machine has slept', async () => {
  const { schedule, calls } = start('2026-01-01T00:30:00Z', {});
  jest.setSystemTime(new Date('2026-01-03T12:30:00Z'));
  await jest.advanceTimersByTimeAsync(10 * minute);
  expect(calls.length).toBe(1);
  expect(schedule.next()?.toISOString()).toBe('2026-01-03T13:00:00.000Z');
  schedule.stop();
});

it.each([0, 1])('calls no more after stop(), also from within a call (%d earlier)', async (earlier) => {
  const { schedule, calls } = start('2026-01-01T00:30:00Z', {
    onDue: () => {
      calls.push('');
      if (calls.length > earlier) schedule.stop();
      return Promise.resolve();
    },
  });
  await jest.advanceTimersByTimeAsync(5 * hour);
  expect(calls.length).toBe(earlier + 1);
  expect(schedule.next()).toBeUndefined();
  schedule.stop();
});

it('never calls for an empty expression', async () => {
  const { schedule, calls } = start('2026-01-01T00:30:00Z', { cron: '' });
  expect(schedule.next()).toBeUndefined();
  await jest.advanceTimersByTimeAsync(24 * hour);
  expect(calls).toEqual([]);
  schedule.stop();
});

it.each([
  ['every day', 'UTC', /invalid schedule "every day"/],
  ['61 * * * *', 'UTC', /61/],
  ['0 3 * * *', 'Mars/Olympus', /time zone "Mars\/Olympus"/],
  ['0 0 31 2 *', 'UTC', /never comes due/],
])('refuses %j in %s', (cron, timeZone, message) => {
  expect(() => start('2026-01-01T00:00:00Z', { cron, timeZone })).toThrow(message);
});

describe('in Berlin', () => {
  const timeZone = 'Europe/Berlin';

  it('means the time of the clock on the wall, in winter and in summer', async () => {
    const { schedule, calls } = start('2026-03-28T00:00:00Z', { cron: '0 12 * * *', timeZone });
    await jest.advanceTimersByTimeAsync(48 * hour);
    expect(calls).toEqual(['2026-03-28T11:00:00.000Z', '2026-03-29T10:00:00.000Z']);
    schedule.stop();
  });

  it('calls once, an hour later on the wall, for a time that spring leaves out', async () => {
    const { schedule, calls } = start('2026-03-28T12:00:00Z', { cron: '30 2 * * *', timeZone });
    await jest.advanceTimersByTimeAsync(48 * hour);
    expect(calls).toEqual(['2026-03-29T01:30:00.000Z', '2026-03-30T00:30:00.000Z']);
    schedule.stop();
  });

  it('calls once, at the second, for a time that comes twice in autumn', async () => {
    const { schedule, calls } = start('2026-10-24T12:00:00Z', { cron: '30 2 * * *', timeZone });
    await jest.advanceTimersByTimeAsync(48 * hour);
    expect(calls).toEqual(['2026-10-25T01:30:00.000Z', '2026-10-26T01:30:00.000Z']);
    schedule.stop();
  });

  it('neither stalls nor repeats itself in the hour that comes twice', async () => {
    const { schedule, calls } = start('2026-10-24T23:59:30Z', { cron: '* * * * *', timeZone });
    await jest.advanceTimersByTimeAsync(3 * hour);
    expect(new Set(calls).size).toBe(calls.length);
    expect(calls.length).toBeGreaterThanOrEqual(120);
    expect(calls.at(-1)).toBe('2026-10-25T02:59:00.000Z');
    schedule.stop();
  });
});

it('follows another clock', () => {
  let now = 0;
  const waiting: { at: number; callback: () => void }[] = [];
  const { schedule } = start('2026-01-01T00:00:00Z', {
    clock: {
      random: () => 0,
      now: () => now,
      after(delayMs, callback) {
        const entry = { at: now + delayMs, callback };
        waiting.push(entry);
        return () => waiting.splice(waiting.indexOf(entry), 1);
      },
    },
  });
  for (let i = 0; i < 59; i++) {
    const entry = waiting.shift()!;
    now = entry.at;
    entry.callback();
  }
  expect(now).toBe(59 * minute);
  expect(schedule.next()?.getTime()).toBe(hour);
  schedule.stop();
  expect(waiting).toEqual([]);
});

it('is planned again when a clock that was ahead is set back', async () => {
  const setBack: number[] = [];
  const { schedule, calls } = start('2026-01-04T00:00:01Z', {
    cron: '0 3 * * *',
    onSetBack: (ms) => setBack.push(ms),
  });
  expect(schedule.next()?.toISOString()).toBe('2026-01-04T03:00:00.000Z');
  jest.setSystemTime(new Date('2026-01-01T00:00:00Z'));
  await jest.advanceTimersByTimeAsync(minute);
  expect(schedule.next()?.toISOString()).toBe('2026-01-01T03:00:00.000Z');
  expect(setBack).toEqual([3 * 24 * hour + 1000 - minute]);
  await jest.advanceTimersByTimeAsync(3 * hour);
  expect(calls).toEqual(['2026-01-01T03:00:00.000Z']);
  schedule.stop();
});

it('keeps its plan when NTP slews the clock', async () => {
  const onSetBack = jest.fn();
  const { schedule, calls } = start('2026-01-01T02:59:00Z', { cron: '0 3 * * *', onSetBack });
  jest.setSystemTime(new Date('2026-01-01T02:58:58Z'));
  await jest.advanceTimersByTimeAsync(2 * minute);
  expect(onSetBack).not.toHaveBeenCalled();
  expect(calls).toEqual(['2026-01-01T03:00:00.000Z']);
  schedule.stop();
});
