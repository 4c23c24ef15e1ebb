/** Events for people: one line when an event opens, one when it closes. */
import type { Contribution } from '../domain/detection';
import type { AnomalyEvent } from '../domain/event';
import type { LimitViolation } from '../domain/signal';
import type { Sink } from './sink';

/** Takes a finished line. */
export interface EventLog {
  warn(message: string, fields: Record<string, unknown>): void;
  info(message: string, fields: Record<string, unknown>): void;
}

/** Fewer repetitions than this happen to rounded values all the time. */
const noteworthyRepeats = 4;

/** Channels that are named; the detections on Kafka have them all. */
const namedChannels = 3;

/** Writes events to the log, with what a person needs to judge them. */
export function createLogSink(log: EventLog): Sink {
  return {
    name: 'log',
    anomaliesOnly: true,
    write({ events }) {
      for (const event of events) {
        if (event.status === 'open') log.warn('event opened', describe(event));
        else log.info('event closed', describe(event));
      }
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}

function describe(event: AnomalyEvent): Record<string, unknown> {
  const leftOut = event.nearestNormal?.leftOut ?? [];
  return {
    key: event.key,
    start: new Date(event.start).toISOString(),
    ...(event.status === 'closed' && {
      end: new Date(event.end).toISOString(),
      records: event.anomalousRecords,
      closedBy: event.closedBy,
    }),
    surprise: round(event.peakSurprise),
    seen: describeRarity(event.peakSurprise),
    ...(leftOut.length > 0 && { misfits: leftOut.join(', ') }),
    why: describeReasons(event),
    detector: event.detector,
    modelVersion: event.modelVersion,
  };
}

/** 10^surprise, as a person would say it: nobody has seen enough records to say "once in 10^20". */
export function describeRarity(surprise: number): string {
  if (surprise > 9) return 'less than once in a billion normal records';
  return `once in ${Number((10 ** surprise).toPrecision(2)).toLocaleString('en')} normal records`;
}

/** Limits that were violated, then the most unusual of the other channels. */
function describeReasons({ limits, contributions }: AnomalyEvent): string {
  const others = contributions.filter(({ channel }) => !limits.some((one) => one.channel === channel));
  return [...limits.map(describeLimit), ...others.map(describeChannel)].slice(0, namedChannels).join('; ');
}

function describeLimit({ channel, limit, bound, actual }: LimitViolation): string {
  const side = limit === 'max' ? 'above' : 'below';
  return `${channel} ${formatValue(actual)} (${side} its limit of ${formatValue(bound)})`;
}

function describeChannel({ channel, actual, expected, repeats }: Contribution): string {
  const value = `${channel} ${formatValue(actual)} (expected ${formatValue(expected)})`;
  return repeats < noteworthyRepeats ? value : `${value}, unchanged ${repeats + 1} times in a row`;
}

/** A value as a person would write it: three or four digits. */
export function formatValue(value: number): string {
  if (Number.isNaN(value)) return 'missing';
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude < 1e-3 || magnitude >= 1e9)) return value.toExponential(2);
  return Number(value.toPrecision(magnitude >= 1000 ? 4 : 3)).toLocaleString('en', {
    maximumFractionDigits: 6,
  });
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
