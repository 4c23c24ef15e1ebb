/** Past records of Prometheus for training: stretches of evaluation times, each read backwards from its newest one. */
import { backOffMs } from '../../system/pause';
import type { HistoryChunk, HistoryRange, ReadHistory } from '../history';
import { keepBlocks, type OffsetRange } from '../kafka/offsets';
import type { Message } from '../source';
import type { QueryRange } from './client';
import { systemClock, type SourceClock } from './clock';
import { createStepReader, stepAtOrAfter, stepAtOrBefore, type ReaderSettings } from './reader';
import { toMessages } from './records';

export interface PrometheusHistorySettings extends ReaderSettings {
  delayMs: number;
}

/** Maximum number of messages in a chunk. */
const chunkRecords = 1000;

/** Length of a range without a beginning, longer than the retention of most servers, ms. */
const longestMs = 365 * 86_400_000;

/** Number of steps that are read to estimate the number of records per step. */
const probes = 5;

/** Maximum number of successive attempts; later attempts read fewer steps. */
const maxAttempts = 8;
const maxBackOffMs = 10_000;

/** Reads up to the newest time that is due for the live source. Several failed attempts in a row end the reading. */
export function createPrometheusHistory(
  queryRange: QueryRange,
  settings: PrometheusHistorySettings,
  clock: SourceClock = systemClock,
): ReadHistory {
  const { stepMs, delayMs } = settings;
  return async function* readHistory({ from, to = Infinity, maxRecords, blocks = 1, onShare }: HistoryRange) {
    const newest = stepAtOrBefore(Math.min(to - 1, clock.now() - delayMs), stepMs);
    const oldest = stepAtOrAfter(from ?? newest - longestMs, stepMs);
    if (newest < oldest) return;
    const reader = createStepReader(queryRange, settings);
    const all: OffsetRange = { partition: 0, start: 0n, end: BigInt((newest - oldest) / stepMs + 1) };
    const ranges = blocks === 1 ? [all] : keepBlocks([all], await stepsFor(maxRecords), blocks);
    const kept = ranges.reduce((sum, { start, end }) => sum + Number(end - start), 0);
    onShare?.(blocks === 1 ? 1 : kept / Number(all.end));

    let left = maxRecords;
    const chunks: HistoryChunk[] = [];
    for (const { start, end } of [...ranges].reverse()) {
      for (let next = Number(end) - 1; next >= Number(start) && left > 0;) {
        const read = await readBack(Number(start), next);
        next = read.first - 1;
        const messages = read.messages.slice(-left);
        left -= messages.length;
        for (let i = messages.length; i > 0; i -= chunkRecords)
          chunks.push(
            Object.assign(messages.slice(Math.max(0, i - chunkRecords), i), { block: String(start) }),
          );
      }
    }
    for (let chunk = chunks.pop(); chunk !== undefined; chunk = chunks.pop()) yield chunk;

    /** Number of steps that have about this many records. */
    async function stepsFor(records: number): Promise<number> {
      let most = 1;
      for (let i = 0; i < probes; i++) {
        const step = Math.round((Number(all.end - 1n) * (probes - i)) / probes);
        most = Math.max(most, (await readBack(step, step)).messages.length);
      }
      return Math.max(1, Math.floor(records / most));
    }

    /** Reads the newest part of the steps from `first` to `last`, as many as fit; steps are numbered from `oldest`. */
    async function readBack(start: number, last: number): Promise<{ first: number; messages: Message[] }> {
      for (let attempt = 1; ; attempt++) {
        const first = Math.max(start, last - reader.size() + 1);
        try {
          const { steps } = await reader.read(oldest + first * stepMs, oldest + last * stepMs);
          return { first, messages: steps.flatMap((step) => toMessages(step, false)) };
        } catch (error) {
          if (attempt === maxAttempts) throw error;
          await clock.pause(backOffMs(attempt, maxBackOffMs));
        }
      }
    }
  };
}
