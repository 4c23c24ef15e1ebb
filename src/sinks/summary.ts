/** How a replay compares with the faults that are known to be in it: for the end of a demo, never for a decision. */
import type { AnomalyEvent } from '../domain/event';
import type { Sink } from './sink';

/** A fault that is known to have been there, Unix ms. */
export interface KnownFault {
  start: number;
  end: number;
  kind: string;
  channels: readonly string[];
}

export interface FaultResult {
  fault: KnownFault;
  /**
   * From the start of the fault to the record that opened an event, 0 where one was open already; undefined = not found.
   */
  delayMs: number | undefined;
  /** The most surprising channel of that event. */
  channel: string | undefined;
}

export interface ReplaySummary {
  records: number;
  faults: readonly FaultResult[];
  /** Records outside of every fault and its after-effects, and how many of them were called anomalous. */
  normalRecords: number;
  falseAlarms: number;
  /** Events that overlap no fault and no after-effects. */
  falseEvents: number;
}

export interface SummarySink extends Sink {
  /** What has been seen since the last call, or the beginning. */
  take(): ReplaySummary;
}

/**
 * @param afterEffectsMs for so long after a fault its records are counted neither as normal nor as faulty: the
 *   windows still hold it, and averages of the machine itself still remember it
 */
export function createSummarySink(faults: readonly KnownFault[], afterEffectsMs: number): SummarySink {
  /** By id, as they were when last heard of: closed, or still open. */
  let known = new Map<string, AnomalyEvent>();
  let counts = { records: 0, normalRecords: 0, falseAlarms: 0 };
  const near = (from: number, to: number): boolean =>
    faults.some(({ start, end }) => to >= start && from <= end + afterEffectsMs);

  return {
    name: 'summary',
    write({ detections, events }) {
      for (const { timestamp, anomalous } of detections) {
        counts.records++;
        if (near(timestamp, timestamp)) continue;
        counts.normalRecords++;
        if (anomalous) counts.falseAlarms++;
      }
      for (const event of events) known.set(event.id, event);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
    take() {
      const summary = {
        ...counts,
        faults: faults.map((fault) => findFault(fault, [...known.values()])),
        falseEvents: [...known.values()].filter(({ start, openedAt }) => !near(start, openedAt)).length,
      };
      known = new Map();
      counts = { records: 0, normalRecords: 0, falseAlarms: 0 };
      return summary;
    },
  };
}

/** The first event with an anomalous record within the fault: it opens with a later one, perhaps after a short fault's end. */
function findFault(fault: KnownFault, events: readonly AnomalyEvent[]): FaultResult {
  const event = events.find(({ start, end }) => start <= fault.end && end >= fault.start);
  return {
    fault,
    delayMs: event === undefined ? undefined : Math.max(0, event.openedAt - fault.start),
    channel: event?.contributions[0]?.channel,
  };
}
