/** Reads all queries over a range of evaluation times, in requests of a bounded size. */
import { runConcurrently } from '../../system/concurrency';
import type { NamedQuery, QueryRange } from './client';
import { toSteps, type SeriesRules, type Step } from './records';

export interface ReaderSettings extends SeriesRules {
  queries: readonly NamedQuery[];
  stepMs: number;
  /** Maximum number of evaluation times of a request; Prometheus allows 11,000. */
  maxPoints: number;
}

export interface ReadSteps {
  /** Steps that were read, in order of time; some may have no records. */
  steps: readonly Step[];
  /** Names of queries that returned no series. */
  empty: readonly string[];
  warnings: readonly string[];
  /** The earliest server time in an answer, Unix ms, in whole seconds; NaN if no answer states one. */
  serverTime: number;
}

/** Maximum number of concurrent requests. */
const concurrency = 4;

/** Number of evaluation times of the first request. */
const firstSteps = 100;

/** Number of values that one read asks for, over all queries: some tens of megabytes of records. */
const targetValues = 100_000;

export type StepReader = ReturnType<typeof createStepReader>;

export function createStepReader(
  queryRange: QueryRange,
  { queries, stepMs, maxPoints, ...rules }: ReaderSettings,
) {
  /** Maximum number of steps of the next read. It shrinks after a failure, which may be due to the size of the answer. */
  let size = Math.min(firstSteps, maxPoints);

  return {
    /** Maximum number of steps of the next read. */
    size: (): number => size,
    /**
     * Reads the steps of [from, to]; both are multiples of the step.
     * @throws Error if any query fails; the next read then has fewer steps
     */
    async read(from: number, to: number, signal?: AbortSignal): Promise<ReadSteps> {
      const range = { from, to, step: stepMs };
      const began = size;
      try {
        const answers = await runConcurrently(queries, concurrency, (query, failed) =>
          queryRange(query, range, signal === undefined ? failed : AbortSignal.any([failed, signal])),
        );
        const values = answers.reduce((sum, { series }) => sum + series.length, 0);
        const fitting = Math.floor(targetValues / Math.max(1, values));
        size = Math.max(1, Math.min(maxPoints, 2 * began, fitting));
        const results = queries.map(({ name }, i) => ({ name, series: answers[i]!.series }));
        return {
          steps: toSteps(results, range, rules),
          empty: results.filter(({ series }) => series.length === 0).map(({ name }) => name),
          warnings: answers.flatMap(({ warnings }) => warnings),
          serverTime: Math.min(...answers.map(({ serverTime }) => serverTime)),
        };
      } catch (error) {
        size = Math.max(1, Math.floor(Math.min(began, (to - from) / stepMs + 1) / 2));
        throw error;
      }
    },
  };
}

/** The newest evaluation time at or before a time, Unix ms. */
export function stepAtOrBefore(time: number, stepMs: number): number {
  return Math.floor(time / stepMs) * stepMs;
}

/** The first evaluation time at or after a time, Unix ms. */
export function stepAtOrAfter(time: number, stepMs: number): number {
  return Math.ceil(time / stepMs) * stepMs;
}
