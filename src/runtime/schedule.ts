/**
 * Calls back at the times of a cron expression, in a time zone.
 *
 * When the clocks change, croner decides: a time that is left out in spring comes at the same distance from midnight
 * (02:30 runs at 03:30 summer time), a time that comes twice in autumn runs once, at its second occurrence.
 */
import { Cron } from 'croner';
import { messageOf } from '../system/error-text';

export interface ScheduleOptions {
  /** Five fields, or six with seconds first; empty = never. */
  cron: string;
  /** IANA name, e.g. `Europe/Berlin`. */
  timeZone: string;
  /**
   * Each due time is put off by a random part of this, so that many daemons do not train at once. Due times that
   * pass while one is put off are left out, so it should be shorter than the time between two.
   */
  jitterMs: number;
  /** Uniform in [0, 1). */
  random: () => number;
  /** The schedule never calls this again before its promise has settled. */
  onDue: () => Promise<void>;
  /** A due time came while the last one was still being worked on. */
  onSkipped: () => void;
  /** `onDue` rejected; the schedule goes on. */
  onError: (error: unknown) => void;
  timers?: Timers;
}

/** The clock and timers of the platform, or those of a test. */
export interface Timers {
  /** Unix ms. */
  now(): number;
  /** Calls back once after `delayMs`; the returned function prevents that. */
  after(delayMs: number, callback: () => void): () => void;
}

export interface Schedule {
  /** When `onDue` will be called next, its delay included; undefined when never. */
  next(): Date | undefined;
  /** Calls back no more; what is under way goes on. Idempotent. */
  stop(): void;
}

/**
 * Timers are set for no longer than this, in ms: setTimeout takes at most 24.8 days, and does not notice when the
 * clock is set or the machine sleeps.
 */
const longestWaitMs = 60_000;

const systemTimers: Timers = {
  now: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => {
      clearTimeout(timer);
    };
  },
};

/** Starts at once. Throws when the expression or the time zone is not understood, or names a day that never comes. */
export function createSchedule({
  cron,
  timeZone,
  jitterMs,
  random,
  onDue,
  onSkipped,
  onError,
  timers = systemTimers,
}: ScheduleOptions): Schedule {
  const times = cron === '' ? undefined : parseCron(cron, timeZone, timers.now());
  let next: number | undefined;
  let cancel: (() => void) | undefined;
  let running = false;

  function plan(): void {
    const due = times?.nextRun(new Date(timers.now()));
    next = due ? due.getTime() + random() * jitterMs : undefined;
    wait();
  }

  function wait(): void {
    if (next === undefined) return;
    cancel = timers.after(Math.min(Math.max(next - timers.now(), 0), longestWaitMs), () => {
      if (next !== undefined && timers.now() < next) {
        wait();
        return;
      }
      // First the next one, so that `onDue` may call stop().
      plan();
      due();
    });
  }

  function due(): void {
    if (running) {
      onSkipped();
      return;
    }
    running = true;
    void Promise.resolve()
      .then(onDue)
      .catch(onError)
      .finally(() => (running = false));
  }

  plan();
  return {
    next: () => (next === undefined ? undefined : new Date(next)),
    stop() {
      cancel?.();
      next = undefined;
    },
  };
}

function parseCron(cron: string, timeZone: string, now: number): Cron {
  let times: Cron;
  let first: Date | null;
  try {
    times = new Cron(cron, { timezone: timeZone, paused: true });
    first = times.nextRun(new Date(now));
  } catch (cause) {
    throw new Error(`cannot follow the schedule "${cron}" in time zone "${timeZone}": ${messageOf(cause)}`, {
      cause,
    });
  }
  if (first === null) throw new Error(`the schedule "${cron}" never comes due`);
  return times;
}
