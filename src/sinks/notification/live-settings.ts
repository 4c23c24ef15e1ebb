/** Settings of a notification sink that can change while it runs. Its functions read them at each use. */
import type { AnomalyEvent } from '../../domain/event';
import { createEventFilter, type FilterSettings } from './filter';

export function createLiveSettings<Settings extends { filter: FilterSettings }>(initial: Settings) {
  const settings = { ...initial };
  let filter = createEventFilter(initial.filter);
  return {
    /** Always the same object, with the values in force. */
    settings,
    passes: (event: AnomalyEvent): boolean => filter(event),
    reload(next: Settings): void {
      Object.assign(settings, next);
      filter = createEventFilter(next.filter);
    },
  };
}
