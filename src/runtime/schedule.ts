/**
 * Calls back at the times of a cron expression, in a time zone.
 *
 * When the clocks change, croner decides: a time that is skipped in spring comes at the same distance from midnight
 * (02:30 runs at 03:30 summer time); a time that occurs twice in autumn runs once, at its second occurrence.
 */
import { Cron } from 'croner';
import { messageOf } from '../system/error-text';
import { wallClock, type Clock } from './clock';

export interface ScheduleOptions {
  /** Five fields, or six with seconds first; empty = never. */
  cron: string;
  /** IANA name, e.g. `Europe/Berlin`. */
  timeZone: string;
  /**
   * Each due time is delayed by a random part of this, so that many daemons do not train at once. Due times during a
   * delay are left out, so it should be shorter than the time between two.
   */
  jitterMs: number;
  /** Never called again before its promise has settled. */
  onDue: () => Promise<unknown>;
  /** Called instead of `onDue` when the previous call has not settled. */
  onSkipped: () => void;
  /** The clock was set back by this much, ms; the schedule is planned again. */
  onSetBack?: (ms: number) => void;
  /** `onDue` rejected; the schedule continues. */
  onError: (error: unknown) => void;
  /** The wall clock unless given. */
  clock?: Pick<Clock, 'now' | 'after' | 'random'>;
}

export type Schedule = ReturnType<typeof createSchedule>;

/**
 * Longest timer, ms: setTimeout accepts at most 24.8 days, and does not notice that the clock was set or that the machine
 * was asleep.
 */
const longestWaitMs = 60_000;

/** A clock that is set back by less is slewed by NTP; the plan stays. */
const setBackMs = 5_000;

/** Starts at once. Throws if the expression or the time zone is invalid, or if the expression never comes due. */
export function createSchedule({
  cron,
  timeZone,
  jitterMs,
  onDue,
  onSkipped,
  onError,
  onSetBack = () => undefined,
  clock = wallClock,
}: ScheduleOptions) {
  const times = cron === '' ? undefined : parseCron(cron, timeZone, clock.now());
  let next: number | undefined;
  let cancel: (() => void) | undefined;
  let running = false;
  /** Latest time that was seen. */
  let seen = -Infinity;

  function plan(): void {
    const due = times?.nextRun(new Date(clock.now()));
    next = due ? due.getTime() + clock.random() * jitterMs : undefined;
    wait();
  }

  function wait(): void {
    if (next === undefined) return;
    seen = clock.now();
    cancel = clock.after(Math.min(Math.max(next - seen, 0), longestWaitMs), () => {
      const back = seen - clock.now();
      if (next !== undefined && back > setBackMs) {
        // Planned by a clock that was ahead: the next time may be days away.
        plan();
        onSetBack(back);
      } else if (next !== undefined && clock.now() < next) wait();
      else {
        // Plans first, so that `onDue` may call stop().
        plan();
        due();
      }
    });
  }

  function due(): void {
    if (running) onSkipped();
    else {
      running = true;
      void Promise.resolve()
        .then(onDue)
        .catch(onError)
        .finally(() => (running = false));
    }
  }

  plan();
  return {
    /** Time of the next call of `onDue`, delay included; undefined = never. */
    next: () => (next === undefined ? undefined : new Date(next)),
    /** Ends the calls; one in progress continues. Idempotent. */
    stop() {
      cancel?.();
      next = undefined;
    },
  };
}

/** @throws Error if the expression or the time zone is invalid, or if the expression never comes due after `now`, Unix ms */
export function parseCron(cron: string, timeZone: string, now: number): Cron {
  let times: Cron;
  let first: Date | null;
  try {
    times = new Cron(cron, { timezone: timeZone, paused: true });
    first = times.nextRun(new Date(now));
  } catch (cause) {
    throw new Error(`invalid schedule "${cron}" in time zone "${timeZone}": ${messageOf(cause)}`, { cause });
  }
  if (first === null) throw new Error(`the schedule "${cron}" never comes due`);
  return times;
}
