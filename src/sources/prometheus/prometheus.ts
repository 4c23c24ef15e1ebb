/**
 * Prometheus as a source. Time is divided into steps. Each step is evaluated once, in order, `delay` after its time, so that
 * samples with a smaller delay are included. The source is one partition whose offsets are evaluation times in Unix ms. The
 * committed offset is the time up to which everything is scored. It is stored next to the state, and a restart continues there.
 */
import type { Logger } from '../../logger';
import { messageOf, toError } from '../../system/error-text';
import { backOffMs, settledWithin } from '../../system/pause';
import type {
  Assignment,
  HandleBatch,
  Message,
  OffsetStore,
  RestorePoints,
  Source,
  SourceObserver,
} from '../source';
import type { QueryRange } from './client';
import { systemClock, type SourceClock } from './clock';
import {
  createStepReader,
  stepAtOrAfter,
  stepAtOrBefore,
  type ReaderSettings,
  type StepReader,
} from './reader';
import { prometheusTopic, toMessages, type Step } from './records';

export interface PrometheusSourceSettings extends ReaderSettings {
  delayMs: number;
  /** Length of scored time that is read again, to count records that came too late. */
  overlapMs: number;
  /** Time before the first scored step that is read to fill the windows if no state is stored. */
  warmUpMs: number;
  maxBatchRecords: number;
}

export interface PrometheusSourceOptions {
  settings: PrometheusSourceSettings;
  queryRange: QueryRange;
  observer: SourceObserver;
  restorePoints: RestorePoints;
  offsets: OffsetStore;
  /** Rejects while another process scores the same detector. */
  acquireLease: () => Promise<ScoringLease>;
  log: Pick<Logger, 'info' | 'warn'>;
  /**
   * Time for which `stop()` waits for the batch in progress, ms. A batch that takes longer is scored again at the next start.
   */
  stopTimeoutMs: number;
  clock?: SourceClock;
}

/** The right to score a detector: without it, several processes would each score every step. */
export interface ScoringLease {
  /** Aborted when another process takes the lease. */
  lost: AbortSignal;
  release(): Promise<void>;
}

const partition = 0;
const maxBackOffMs = 30_000;

/** Tolerance for the server's time, which is in whole seconds. */
const clockToleranceMs = 2_000;

/** Longest single wait: the clock may be set meanwhile. */
const longestPauseMs = 60_000;

/**
 * `run()` ends only with `stop()`: an unreachable server, a rejected query or a rejected batch is reported to the observer and
 * retried without end, and no later step is scored before.
 */
export function createPrometheusSource(options: PrometheusSourceOptions): Source {
  const { observer, stopTimeoutMs, clock = systemClock } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  /** A function, because TypeScript would narrow `signal.aborted` to false for the lines after an await. */
  const isStopping = (): boolean => signal.aborted;
  let state = { ready: false, reason: 'not started' };
  let running: Promise<void> | undefined;

  function report(ready: boolean, reason: string): void {
    state = { ready, reason };
    observer.connected?.(ready);
  }

  async function supervise(handle: HandleBatch): Promise<void> {
    let lease: ScoringLease | undefined;
    let progress: Progress | undefined;
    report(false, 'reading where to continue');
    for (let attempt = 0; !isStopping();) {
      try {
        if (lease === undefined || progress === undefined || lease.lost.aborted) {
          progress = undefined;
          lease = await options.acquireLease();
          // The state belongs to another process, which continues it in the store.
          options.restorePoints.keepOnly([]);
          const either = AbortSignal.any([signal, lease.lost]);
          progress = new Progress({ ...options, clock, handle, signal: either, report });
        }
        await progress.next();
        attempt = 0;
      } catch (cause) {
        if (isStopping()) break;
        report(false, messageOf(cause));
        observer.error(toError(cause));
        const { retryAfterMs = 0 } = cause as { retryAfterMs?: number };
        const wantedMs = Math.min(retryAfterMs, longestPauseMs);
        await clock.pause(Math.max(backOffMs(attempt++, maxBackOffMs), wantedMs), signal);
      }
    }
    await lease?.release();
    report(false, 'stopped');
  }

  return {
    ready: () => (signal.aborted ? { ready: false, reason: 'stopped' } : { ...state }),
    run: (handle) => (running ??= supervise(handle)),
    async stop() {
      stopping.abort();
      if (running !== undefined && !(await settledWithin(running, stopTimeoutMs)))
        observer.error(
          new Error('batch did not finish before the shutdown timeout; it will be scored again'),
        );
    },
  };
}

interface ProgressOptions extends PrometheusSourceOptions {
  clock: SourceClock;
  handle: HandleBatch;
  signal: AbortSignal;
  report: (ready: boolean, reason: string) => void;
}

/** Records of consecutive steps that are delivered together. A step is never divided. */
interface Group {
  messages: Message[];
  /** Number of records of the last step. */
  ofLast: number;
  /** Evaluation time of the last step. */
  to: number;
}

/** Scores one step after the other. Its position survives every error. */
class Progress {
  private readonly reader: StepReader;
  private readonly lateness: LateRecords;
  private assignment: Assignment | undefined;
  /** Whether the pipeline has accepted a batch since the assignment. */
  private accepted = false;
  /** The next step, Unix ms. */
  private step = 0;
  /** The offset that is stored. */
  private committed: bigint | undefined;
  /** Start of the period in which no query has returned a series. */
  private silentSince: number | undefined;
  private remarks = '';

  constructor(private readonly options: ProgressOptions) {
    this.reader = createStepReader(options.queryRange, options.settings);
    this.lateness = new LateRecords(options.settings);
  }

  /** Waits for the next step, or scores steps that are due. @throws Error after which the next call continues */
  async next(): Promise<void> {
    this.assignment ??= await this.assign();
    const { clock, settings, signal } = this.options;
    const { stepMs, delayMs } = settings;
    const due = stepAtOrBefore(clock.now() - delayMs, stepMs);
    if (this.step <= due) return this.readUpTo(due);
    const waitMs = this.step + delayMs - clock.now();
    if (waitMs > stepMs + longestPauseMs)
      this.options.report(
        false,
        `everything up to ${iso(this.step)} is scored, which the clock has not reached`,
      );
    await clock.pause(Math.min(waitMs, longestPauseMs), signal);
  }

  private async assign(): Promise<Assignment> {
    const { clock, settings, offsets, restorePoints, log } = this.options;
    const { stepMs, delayMs, warmUpMs } = settings;
    const stored = await offsets.load(partition);
    const processedBefore = stored !== undefined;
    const liveFrom = stored ?? BigInt(stepAtOrBefore(clock.now() - delayMs, stepMs) + 1);
    // Saved now, so that a process that stops before its first step skips no step.
    if (!processedBefore) await offsets.save(partition, liveFrom);
    this.committed = liveFrom;
    restorePoints.keepOnly([partition]);
    const after = processedBefore ? await restorePoints.restorePoint(partition, liveFrom) : undefined;
    const from = after === undefined ? liveFrom - BigInt(warmUpMs) : after + 1n;
    this.step = stepAtOrAfter(Number(from), stepMs);
    log.info('reading from Prometheus', { scoredUpTo: iso(Number(liveFrom) - 1), readFrom: iso(this.step) });
    return { from, liveFrom, after, processedBefore, partitions: 1 };
  }

  private async readUpTo(due: number): Promise<void> {
    const { observer, report, settings, signal } = this.options;
    const { stepMs } = settings;
    // A read of a single step cannot include earlier steps.
    const again = this.lateness.stepsAgain(this.step, Math.floor(this.reader.size() / 2));
    const from = this.step - again * stepMs;
    const to = Math.min(due, from + (this.reader.size() - 1) * stepMs);
    const { steps, empty, warnings, serverTime } = await this.reader.read(from, to, signal);
    observer.fetched?.();
    // If the server states no time, serverTime is NaN, and the comparison is false.
    if (serverTime + clockToleranceMs < to + settings.delayMs)
      throw new Error(
        `the clock of Prometheus is at ${iso(serverTime)}, and that of this machine is ahead of it: ${iso(to)} is not yet source.prometheus.delay ago`,
      );
    // Steps before the first record contain nothing for the windows.
    if (BigInt(to) >= this.assignment!.liveFrom) this.remark(empty, warnings, from);
    report(
      true,
      this.silentSince === undefined ? '' : `no query has returned a series since ${iso(this.silentSince)}`,
    );
    this.reportLate(this.lateness.find(steps.slice(0, again)));
    for (const group of this.groupsOf(steps.slice(again))) {
      if (!(await this.deliver(group, due))) return;
      await this.advance(group);
    }
  }

  private *groupsOf(steps: readonly Step[]): Generator<Group> {
    const { maxBatchRecords } = this.options.settings;
    const { liveFrom } = this.assignment!;
    let group: Group = { messages: [], ofLast: 0, to: NaN };
    for (const [i, step] of steps.entries()) {
      this.lateness.scored(step);
      for (const message of toMessages(step, BigInt(step.time) < liveFrom)) group.messages.push(message);
      group.ofLast = step.count;
      group.to = step.time;
      if (i < steps.length - 1 && group.messages.length < maxBatchRecords) continue;
      yield group;
      group = { messages: [], ofLast: 0, to: NaN };
    }
  }

  /** Repeats until the pipeline accepts the group; false if the source stops before. */
  private async deliver({ messages, ofLast, to }: Group, due: number): Promise<boolean> {
    const { handle, settings, clock, observer, signal } = this.options;
    const assignment = this.assignment!;
    if (messages.length === 0) return !signal.aborted;
    const next = BigInt(to + 1);
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        await handle({
          topic: prometheusTopic,
          partition,
          messages,
          lag: Math.round(((due - to) / settings.stepMs) * ofLast),
          assignment: this.accepted ? undefined : assignment,
          committed: this.committed,
          next: next > assignment.liveFrom ? next : undefined,
        });
        this.accepted = true;
        return true;
      } catch (cause) {
        observer.error(toError(cause));
        await clock.pause(backOffMs(attempt, maxBackOffMs), signal);
      }
    }
    return false;
  }

  private async advance({ to }: Group): Promise<void> {
    const { settings, offsets, observer } = this.options;
    this.step = to + settings.stepMs;
    const next = BigInt(to + 1);
    if (next <= this.assignment!.liveFrom) return;
    try {
      await offsets.save(partition, next);
      this.committed = next;
    } catch (cause) {
      // The offset is saved with the next step. After a crash before that, this step is scored again.
      observer.error(new Error('the time up to which everything is scored could not be stored', { cause }));
    }
  }

  /** Logs changes of warnings and of queries without series. */
  private remark(empty: readonly string[], warnings: readonly string[], from: number): void {
    const { log, settings } = this.options;
    this.silentSince = empty.length === settings.queries.length ? (this.silentSince ?? from) : undefined;
    const remarks = JSON.stringify([empty, [...new Set(warnings)]]);
    if (remarks === this.remarks) return;
    const before = this.remarks;
    this.remarks = remarks;
    if (empty.length > 0) log.warn('queries returned no series', { queries: empty });
    if (warnings.length > 0) log.warn('Prometheus warns', { warnings: [...new Set(warnings)].slice(0, 10) });
    if (before !== '' && empty.length === 0 && warnings.length === 0)
      log.info('all queries return series again, without warnings', {});
  }

  private reportLate(late: number): void {
    if (late === 0) return;
    this.options.observer.gap(BigInt(late));
    this.options.log.warn('records came after their time was scored: raise source.prometheus.delay', {
      records: late,
    });
  }
}

/** Counts records of scored steps that arrived after the step was scored. */
class LateRecords {
  /** Number of records of each scored step that is read again, in order of time. */
  private readonly counts = new Map<number, number>();

  constructor(private readonly settings: Pick<PrometheusSourceSettings, 'overlapMs' | 'stepMs'>) {}

  scored({ time, count }: Step): void {
    this.counts.set(time, count);
    for (const known of this.counts.keys()) {
      if (known > time - this.settings.overlapMs) break;
      this.counts.delete(known);
    }
  }

  /** Number of scored steps before `next` to read again, at most `limit`. */
  stepsAgain(next: number, limit: number): number {
    return Math.min(limit, [...this.counts.keys()].filter((time) => time < next).length);
  }

  /** Number of records that these steps have now, but had not when they were scored. */
  find(steps: readonly Step[]): number {
    let late = 0;
    for (const { time, count } of steps) {
      const known = this.counts.get(time) ?? count;
      if (count <= known) continue;
      late += count - known;
      this.counts.set(time, count);
    }
    return late;
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
