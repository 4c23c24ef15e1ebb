/** When an evaluation trains again, and on which records: the same as in the daemon at that cadence. */
import { cron } from '../../schema/time-formats';
import { parseCron } from '../../runtime/schedule';
import type { DetectorSettings } from '../../config/settings';
import type { Message } from '../../sources/source';

/** After a number of test records, of all devices together, or at the times of a cron expression. */
export type Cadence = { everyRecords: number } | { cron: string };

const expression = cron({ doc: '' });

/** @throws Error if the text is neither a number of at least 1 nor a cron expression */
export function parseCadence(text: string): Cadence {
  if (!/^\d*$/.test(text)) return { cron: expression.parse(text) };
  if (!(Number(text) >= 1))
    throw new Error('must be a cron expression, or a number of records of at least 1');
  return { everyRecords: Number(text) };
}

/** The text that `parseCadence` reads. */
export function printCadence(cadence: Cadence): string {
  return 'cron' in cadence ? cadence.cron : String(cadence.everyRecords);
}

/**
 * The records before which a training takes place, ascending. The clock shows the newest time so far, and begins with the first
 * record. Several times of the schedule between two records cause one training.
 * @param times of the test records, Unix ms; NaN if unknown
 * @param timeZone of the cron expression
 */
export function trainingRows(cadence: Cadence, times: Iterable<number>, timeZone: string): number[] {
  const all = [...times];
  if ('everyRecords' in cadence) {
    const { everyRecords } = cadence;
    return Array.from({ length: Math.ceil(all.length / everyRecords) - 1 }, (_, i) => (i + 1) * everyRecords);
  }
  const first = all.find((time) => !Number.isNaN(time));
  if (first === undefined) return [];
  const schedule = parseCron(cadence.cron, timeZone, first);
  const nextAfter = (time: number): number => schedule.nextRun(new Date(time))?.getTime() ?? Infinity;
  let next = nextAfter(first);
  return all.flatMap((time, row) => {
    if (!(time >= next)) return [];
    next = nextAfter(time);
    return [row];
  });
}

/**
 * The messages that a training reads when the newest message has arrived: those within `training.history`, but at most the
 * newest `training.maxRecords`.
 */
export function historyOf(
  messages: readonly Message[],
  { historyMs, maxRecords }: Pick<DetectorSettings['training'], 'historyMs' | 'maxRecords'>,
): Message[] {
  const now = messages.reduce(
    (newest, { timestamp }) => (timestamp > newest ? timestamp : newest),
    -Infinity,
  );
  return messages.filter(({ timestamp }) => !(timestamp < now - historyMs)).slice(-maxRecords);
}
