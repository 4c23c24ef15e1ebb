/** A sink for people in a simulated time, with a receiver on the network. */
import type { AnomalyEvent } from '../../../src/domain/event';
import type { EventSinkOptions } from '../../../src/sinks/notification/event-sink';
import type { Sink } from '../../../src/sinks/sink';
import { createRecordedLog } from '../../runtime/recorded-log';
import { createCounts, createSimulatedTiming } from './simulated';

/** Settings of every endpoint. */
export const endpoint = { headersFile: '', ca: '', clientCert: '', clientKey: '', timeoutMs: 2_000 };

export function driveSink(createSink: (options: EventSinkOptions) => Sink) {
  const { counted, counts } = createCounts();
  const { timing, advance } = createSimulatedTiming();
  const log = createRecordedLog();
  const sink = createSink({ passes: () => true, openEvents: () => [], counts, log, timing });
  return {
    sink,
    counted,
    log,
    write: (...events: AnomalyEvent[]) => sink.write({ detections: [], events, deadLetters: [] }),
    /** Waits for requests on the network, while the simulated time passes. */
    async until(holds: () => boolean): Promise<void> {
      for (let i = 0; i < 200 && !holds(); i++) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        await advance(100);
      }
      expect(holds()).toBe(true);
    },
  };
}
