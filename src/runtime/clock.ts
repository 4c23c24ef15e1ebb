/**
 * Time of a detector: the wall clock, or the event time of its records (`source.file.clock: records`).
 *
 * On the record clock, a training starts when the records reach its time, and learns from the records delivered until then. Its
 * model comes into use a fixed number of records later; if the training takes longer, the next records wait for it. So the
 * detections of a recording depend neither on the speed of the machine nor on the time of the start.
 */
export interface Clock {
  /** Calls back once after `delayMs`; the returned function cancels the call. */
  now(): number;
  /** Calls back once the time is known: the record clock starts with its first record. */
  after(delayMs: number, callback: () => void): () => void;
  /** Uniform in [0, 1), for the jitter of schedules; 0 on the record clock, so that schedules have no jitter. */
  onStart(callback: () => void): void;
  /** Call when a training is requested. The training ends when the promise settles. */
  random(): number;
  /** Call when the range of records that the training reads is fixed. */
  trainingRequested(training: Promise<unknown>): void;
  /** Call when it is settled which records the training reads. */
  trainingStarted(): void;
  /** Resolves when the trained model may come into use. */
  modelDue(): Promise<void>;
  /** Call after records were processed; the next ones wait until it resolves. Timestamps are Unix ms, NaN if unknown. */
  advance(records: readonly { timestamp: number }[]): Promise<void>;
  /** Call when no more records come: releases all that wait for the clock. Idempotent. */
  end(): void;
}

export const wallClock: Clock = {
  now: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
  onStart: (callback) => callback(),
  random: () => Math.random(),
  trainingRequested: () => undefined,
  trainingStarted: () => undefined,
  modelDue: () => Promise.resolve(),
  advance: () => Promise.resolve(),
  end: () => undefined,
};

/** On the record clock, time from the start of a training to the use of its model, s. */
const trainingSeconds = 10;

/** @param replayRate records per second of a replay that follows the time of its records; undefined: the wall clock */
export function createClock(replayRate: number | undefined): Clock {
  return replayRate === undefined ? wallClock : createRecordClock(Math.ceil(replayRate * trainingSeconds));
}

type Gate = ReturnType<typeof createGate>;

/** A training and its position in the record stream. */
interface FollowedTraining {
  started: Gate;
  due: Gate;
  over: Gate;
  /** Number of records delivered when the training was requested. */
  from: number;
}

function createGate() {
  let open: () => void = () => undefined;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { open, passed };
}

/** @param trainingRecords number of records between the start of a training and the first record that its model scores */
export function createRecordClock(trainingRecords: number): Clock {
  /** Event time of the newest record; NaN before the first record. */
  let now = NaN;
  let records = 0;
  let ended = false;
  let starting: (() => void)[] = [];
  const waiting = new Set<{ at: number; callback: () => void }>();
  let training: FollowedTraining | undefined;

  const letThrough = ({ started, due, over }: FollowedTraining): void => {
    for (const gate of [started, due, over]) gate.open();
  };

  /** Runs all callbacks that are due, those that they add included. Returns whether there were any. */
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
    now: () => now,
    after(delayMs, callback) {
      const timer = { at: now + delayMs, callback };
      waiting.add(timer);
      return () => waiting.delete(timer);
    },
    onStart(callback) {
      if (Number.isNaN(now)) starting.push(callback);
      else callback();
    },
    random: () => 0,
    trainingRequested(outcome) {
      const followed = { started: createGate(), due: createGate(), over: createGate(), from: records };
      training = followed;
      const close = (): void => {
        letThrough(followed);
        if (training === followed) training = undefined;
      };
      outcome.then(close, close);
      if (ended) letThrough(followed);
    },
    trainingStarted: () => training?.started.open(),
    modelDue: () => training?.due.passed ?? Promise.resolve(),
    async advance(delivered) {
      records += delivered.length;
      for (const { timestamp } of delivered)
        if (!Number.isNaN(timestamp) && !(timestamp <= now)) now = timestamp;
      if (!Number.isNaN(now)) {
        const callbacks = starting;
        starting = [];
        for (const callback of callbacks) callback();
      }
      // A schedule requests its training in a later microtask.
      if (callBack()) await new Promise(setImmediate);
      if (training === undefined) return;
      const { started, due, over, from } = training;
      await started.passed;
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
