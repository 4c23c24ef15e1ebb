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
  /** From the start of the fault to the record that opened an event; undefined = not found. */
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
  let opened: AnomalyEvent[] = [];
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
      opened.push(...events.filter(({ status }) => status === 'open'));
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
    take() {
      const summary = {
        ...counts,
        faults: faults.map((fault) => findFault(fault, opened)),
        falseEvents: opened.filter(({ start, openedAt }) => !near(start, openedAt)).length,
      };
      opened = [];
      counts = { records: 0, normalRecords: 0, falseAlarms: 0 };
      return summary;
    },
  };
}

function findFault(fault: KnownFault, opened: readonly AnomalyEvent[]): FaultResult {
  const event = opened.find(({ openedAt }) => openedAt >= fault.start && openedAt <= fault.end);
  return {
    fault,
    delayMs: event === undefined ? undefined : event.openedAt - fault.start,
    channel: event?.contributions[0]?.channel,
  };
}
