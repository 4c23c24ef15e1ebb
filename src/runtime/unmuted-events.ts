/** The most surprising open events that are not muted. */
import type { AnomalyEvent } from '../domain/event';

export type OpenEvents = (limit: number) => readonly AnomalyEvent[];

interface MuteBook {
  list(): readonly unknown[];
  /** Returns the events with `muted` set on those that are muted. */
  mark(events: readonly AnomalyEvent[]): readonly AnomalyEvent[];
}

/**
 * Requests more events until enough are unmuted: to mark all open events of 100,000 devices at each scrape would take too long.
 */
export function unmutedEvents(openEvents: OpenEvents, mutes: MuteBook): OpenEvents {
  return (limit) => {
    if (mutes.list().length === 0) return openEvents(limit);
    for (let asked = limit; ; asked *= 4) {
      const open = openEvents(asked);
      const unmuted = mutes.mark(open).filter(({ muted }) => muted !== true);
      if (unmuted.length >= limit || open.length < asked) return unmuted.slice(0, limit);
    }
  };
}
