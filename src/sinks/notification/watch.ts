/**
 * Detects which events open and close, each once, from the events that are written, and from those that are open after a
 * restart.
 */
import type { AnomalyEvent } from '../../domain/event';
import { pause } from '../../system/pause';
import type { EventFilter } from './filter';

/** Interval at which the open events are read, ms. */
const pollMs = 5_000;
/** Maximum number of open events that are read. */
const maxOpen = 1_000;
/** Maximum number of open events that were sent and are not known to be over; the oldest are dropped first. */
const maxKnown = 10_000;

export interface EventWatchOptions {
  passes: EventFilter;
  /** The most surprising open events. */
  openEvents: (limit: number) => readonly AnomalyEvent[];
  /**
   * Called when an event opens or closes. An event that became surprising enough only later may close without having opened.
   */
  notify: (event: AnomalyEvent) => void;
}

export function createEventWatch({ passes, openEvents, notify }: EventWatchOptions) {
  const known = new Set<string>();
  const stopping = new AbortController();

  function opened(event: AnomalyEvent): void {
    if (known.has(event.id) || !passes(event)) return;
    known.add(event.id);
    if (known.size > maxKnown) known.delete(known.values().next().value!);
    notify(event);
  }

  function poll(): void {
    openEvents(maxOpen).forEach(opened);
  }

  async function run(): Promise<void> {
    for (;;) {
      await pause(pollMs, stopping.signal);
      if (stopping.signal.aborted) return;
      poll();
    }
  }

  const finished = run();

  return {
    write(events: readonly AnomalyEvent[]): void {
      for (const event of events) {
        if (event.status === 'open') opened(event);
        else if (event.status === 'closed' && (known.delete(event.id) || passes(event))) notify(event);
      }
    },
    poll,
    async close(): Promise<void> {
      stopping.abort();
      await finished;
    },
  };
}
