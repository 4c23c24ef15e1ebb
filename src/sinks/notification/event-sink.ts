/**
 * A notification sink: sends each event as a message when it opens and when it ends, one after the other; silent devices in
 * groups.
 */
import type { AnomalyEvent } from '../../domain/event';
import type { Logger } from '../../logger';
import type { Sink } from '../sink';
import { alone, createClaims, type Fleet } from './claims';
import { createDelivery, type NotificationCounts } from './delivery';
import type { EventFilter } from './filter';
import { createGroups } from './groups';
import { systemTiming, type Timing } from './timing';
import { createEventWatch } from './watch';

export interface EventSinkOptions {
  passes: EventFilter;
  /** The most surprising open events. */
  openEvents: (limit: number) => readonly AnomalyEvent[];
  counts: NotificationCounts;
  /** Absent if no other process shares the store. */
  fleet?: Fleet | undefined;
  log: Pick<Logger, 'info' | 'warn' | 'error'>;
  timing?: Timing;
}

/** @param send sends one event; rejects with a RefusedError if it must not be sent again */
export function createEventSink(
  name: string,
  maxQueued: number,
  { passes, openEvents, counts, fleet, log, timing = systemTiming }: EventSinkOptions,
  send: (event: AnomalyEvent, signal: AbortSignal) => Promise<void>,
): Sink {
  const delivery = createDelivery<AnomalyEvent>({ send, maxQueued, timing, counts, log });
  if (fleet !== undefined)
    log.info(
      'devices that fall silent together are reported in one message by all processes that share the store',
      {
        sink: name,
        store: fleet.folder,
      },
    );
  const claims = fleet === undefined ? alone : createClaims({ sink: name, fleet, passes, log });
  const groups = createGroups({ notify: (event) => delivery.add(event), claims, timing });
  const watch = createEventWatch({ passes, openEvents, notify: (event) => groups.add(event) });
  return {
    name,
    anomaliesOnly: true,
    notifies: true,
    write({ events }) {
      watch.write(events);
      return Promise.resolve();
    },
    async close() {
      await watch.close();
      await groups.close();
      await delivery.close();
    },
  };
}
