/**
 * Adds events that are over, those held back included, to the quarantine, so that no training learns from them. A silence has
 * no records, so it is not added.
 */
import type { Sink } from './sink';

/** Accepts intervals of event time of one key, Unix ms. */
export interface QuarantineBook {
  add(key: string, from: number, to: number): void;
}

export function createQuarantineSink(book: QuarantineBook): Sink {
  return {
    name: 'quarantine',
    anomaliesOnly: true,
    write({ events }) {
      for (const { kind, status, key, keys = [key], start, end } of events)
        if (kind === 'anomaly' && status !== 'open') for (const one of keys) book.add(one, start, end);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}
