/** Settings of a sink for people that change while it is at work. Its functions read them at each use. */
import type { AnomalyEvent } from '../../domain/event';
import { createEventFilter, type FilterSettings } from './filter';

export function createLiveSettings<Settings extends { filter: FilterSettings }>(initial: Settings) {
  const settings = { ...initial };
  let filter = createEventFilter(initial.filter);
  return {
    /** The same object always, with the values in force. */
    settings,
    passes: (event: AnomalyEvent): boolean => filter(event),
    reload(next: Settings): void {
      Object.assign(settings, next);
      filter = createEventFilter(next.filter);
    },
  };
}
