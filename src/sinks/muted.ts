/** Excludes muted events from the sinks that notify people. */
import type { Sink } from './sink';

export function withoutMuted(sink: Sink): Sink {
  if (sink.forPeople !== true && sink.notifies !== true) return sink;
  return {
    ...sink,
    write: (batch) => sink.write({ ...batch, events: batch.events.filter(({ muted }) => muted !== true) }),
  };
}
