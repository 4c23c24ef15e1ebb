/** Events for people: one line when an event opens, one when it closes. */
import type { AnomalyEvent } from '../domain/event';
import type { Sink } from './sink';

/** Takes a finished line. */
export interface EventLog {
  warn(message: string, fields: Record<string, unknown>): void;
  info(message: string, fields: Record<string, unknown>): void;
}

/** Channels that are named; the rest is in the Kafka message. */
const namedChannels = 3;

/** Writes events to the log, with what a person needs to judge them. */
export function createLogSink(log: EventLog): Sink {
  return {
    name: 'log',
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
  return {
    detector: event.detector,
    key: event.key,
    start: new Date(event.start).toISOString(),
    ...(event.status === 'closed' && {
      end: new Date(event.end).toISOString(),
      durationSeconds: (event.end - event.start) / 1000,
    }),
    surprise: round(event.peakSurprise),
    threshold: round(event.threshold),
    channels: event.contributions.slice(0, namedChannels).map(({ channel, actual, expected }) => ({
      channel,
      actual: round(actual),
      expected: round(expected),
    })),
    modelVersion: event.modelVersion,
  };
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
