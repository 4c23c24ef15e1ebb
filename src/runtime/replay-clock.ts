/**
 * The time of a replay is that of its records. A training is due when their time has come, learns from what has been replayed by
 * then, and comes into use a fixed number of records later, whether this machine was done with it long before or the replay
 * has to wait for it. So what is said of a recording does not depend on how fast the machine is, or when it was started.
 */
import type { Timers } from './schedule';

export interface ReplayClock {
  /** For schedules, from the first record on. */
  timers: Timers;
  /** A training was asked for; it is over when the promise has settled. */
  follow(training: Promise<unknown>): void;
  /** It is settled what the training learns from: the replay goes on. */
  begun(): void;
  /** Resolves when the model of the training is to come into use. */
  due(): Promise<void>;
  /** Records of these times (Unix ms; NaN = of none) were replayed. The next ones have to wait until it resolves. */
  advance(times: readonly number[]): Promise<void>;
  /** Nothing is replayed any more: what waits for records waits no longer. Idempotent. */
  end(): void;
}

interface Gate {
  open(): void;
  passed: Promise<void>;
}

interface FollowedTraining {
  begun: Gate;
  due: Gate;
  over: Gate;
  /** Records that had been replayed when it was asked for. */
  from: number;
}

function createGate(): Gate {
  let open: () => void = () => undefined;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { open, passed };
}

/** @param trainingRecords from the beginning of a training to the first record that its model scores */
export function createReplayClock(trainingRecords: number): ReplayClock {
  /** Not a time before there is a record. */
  let now = NaN;
  let records = 0;
  let ended = false;
  const waiting = new Set<{ at: number; callback: () => void }>();
  let training: FollowedTraining | undefined;

  const letThrough = ({ begun, due, over }: FollowedTraining): void => {
    for (const gate of [begun, due, over]) gate.open();
  };

  /** Calls back whatever is due, and what is due because of that. */
  function callBack(): boolean {
    let any = false;
    for (;;) {
      const next = [...waiting].filter(({ at }) => at <= now).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) return any;
      any = true;
      waiting.delete(next);
      next.callback();
    }
  }

  return {
    timers: {
      now: () => now,
      after(delayMs, callback) {
        const timer = { at: now + delayMs, callback };
        waiting.add(timer);
        return () => waiting.delete(timer);
      },
    },
    follow(outcome) {
      const followed = { begun: createGate(), due: createGate(), over: createGate(), from: records };
      training = followed;
      const close = (): void => {
        letThrough(followed);
        if (training === followed) training = undefined;
      };
      outcome.then(close, close);
      if (ended) letThrough(followed);
    },
    begun: () => training?.begun.open(),
    due: () => training?.due.passed ?? Promise.resolve(),
    async advance(times) {
      records += times.length;
      for (const time of times) if (!Number.isNaN(time) && !(time <= now)) now = time;
      // Who is called back may ask for a training, but not before this turn is over.
      if (callBack()) await new Promise(setImmediate);
      if (training === undefined) return;
      const { begun, due, over, from } = training;
      await begun.passed;
      if (records - from < trainingRecords) return;
      due.open();
      await over.passed;
    },
    end() {
      ended = true;
      if (training !== undefined) letThrough(training);
    },
  };
}
