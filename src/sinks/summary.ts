/** Compares the detections of a recording with its known faults, for a summary on the console. */
import type { AnomalyEvent } from '../domain/event';
import type { KnownFault } from '../sources/spec';
import type { DetectionBatch } from './sink';

export type FaultResult = ReturnType<typeof findFault>;
export type SummarySink = ReturnType<typeof createSummarySink>;
export type ReplaySummary = ReturnType<SummarySink['take']>;

/**
 * @param afterEffectsMs time after a fault in which records count neither as normal nor as faulty, as the windows and the
 * machine's own moving averages still contain the fault
 */
export function createSummarySink(faults: readonly KnownFault[], afterEffectsMs: number) {
  /** Newest state of each opened event by id. */
  let known = new Map<string, AnomalyEvent>();
  /** Normal records lie outside of all faults and their after-effects. An anomalous one among them is a false alarm. */
  let counts = { records: 0, normalRecords: 0, falseAlarms: 0 };
  const near = (from: number, to: number): boolean =>
    faults.some(({ start, end }) => to >= start && from <= end + afterEffectsMs);

  return {
    name: 'summary',
    write({ detections, events }: DetectionBatch): Promise<void> {
      for (const { timestamp, anomalous } of detections) {
        counts.records++;
        if (near(timestamp, timestamp)) continue;
        counts.normalRecords++;
        if (anomalous) counts.falseAlarms++;
      }
      for (const event of events) if (event.status !== 'held_back') known.set(event.id, event);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
    /** Returns the summary since the previous call. */
    take() {
      const summary = {
        ...counts,
        faults: faults.map((fault) => findFault(fault, [...known.values()])),
        /** Events that overlap no fault and no after-effects. */
        falseEvents: [...known.values()].filter(({ start, openedAt }) => !near(start, openedAt)).length,
      };
      known = new Map();
      counts = { records: 0, normalRecords: 0, falseAlarms: 0 };
      return summary;
    },
  };
}

/** The first event with an anomalous record during the fault; it may open only after the end of a short fault. */
function findFault(fault: KnownFault, events: readonly AnomalyEvent[]) {
  const event = events.find(({ start, end }) => start <= fault.end && end >= fault.start);
  return {
    fault,
    /**
     * Time from the start of the fault to the record that opened an event; 0 if an event was open already, undefined if the
     * fault was missed.
     */
    delayMs: event === undefined ? undefined : Math.max(0, event.openedAt - fault.start),
    /** Most surprising channel of the event. */
    channel: event?.contributions[0]?.channel,
  };
}
