/**
 * Calls back at the times of a cron expression, in a time zone.
 *
 * When the clocks change, croner decides: a time that is skipped in spring is moved by the change (02:30 runs at 03:30 summer
 * time); a time that occurs twice in autumn runs once, at its second occurrence.
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
   * Each due time is delayed by a random part of this, so that many daemons do not train at once. Due times during a delay are
   * skipped, so the jitter should be shorter than the time between two.
   */
  jitterMs: number;
  /** Not called again until its promise has settled. */
  onDue: () => Promise<unknown>;
  /** Called instead of `onDue` when the previous call has not settled. */
  onSkipped: () => void;
  /** Called if the clock was set back, by this many ms; the schedule is planned again. */
  onSetBack?: (ms: number) => void;
  /** Called if `onDue` rejected; the schedule continues. */
  onError: (error: unknown) => void;
  /** Default: the wall clock. */
  clock?: Pick<Clock, 'now' | 'after' | 'random'>;
}

export type Schedule = ReturnType<typeof createSchedule>;

/**
 * Longest timer, ms: setTimeout accepts at most 24.8 days, and does not notice that the clock was set or that the machine was
 * asleep.
 */
const longestWaitMs = 60_000;

/** Smaller steps back come from NTP, which adjusts the clock gradually; the plan stays. */
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
  /** Latest time of the clock so far. */
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
        // The plan was made by a clock that was ahead, so the next time may be days away.
        plan();
        onSetBack(back);
      } else if (next !== undefined && clock.now() < next) wait();
      else {
        // Plans before the call, so that `onDue` may call stop().
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
    /** Time of the next call of `onDue`, with its delay; undefined = never. */
    next: () => (next === undefined ? undefined : new Date(next)),
    /** Stops the schedule; a call in progress continues. Idempotent. */
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
