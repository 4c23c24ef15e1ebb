/** The processes that share the store of a detector, as sinks for people see them. */
import { join } from 'node:path';
import { processName, type Processes } from '../past/processes';
import type { Fleet } from '../sinks/notification/claims';
import type { Poll } from './poll';
import type { ReportedEvents } from './reported-events';

/** @param parts those that exist: sinks are at work before the events and the processes are known */
export function createFleet(
  store: string,
  detector: string,
  parts: () => {
    events?: Pick<ReportedEvents, 'past'>;
    processes?: Pick<Processes, 'isAlive'>;
    exchange?: Pick<Poll, 'run'>;
  },
): Fleet {
  return {
    folder: join(store, detector),
    name: processName,
    isAlive: (name) => parts().processes?.isAlive(name) === true,
    async refresh() {
      const { events, exchange } = parts();
      await exchange?.run();
      await events?.past.refresh();
    },
    async share() {
      await parts().events?.past.share();
    },
    reported: (id) => parts().events?.past.event(id)?.event,
    silences: () =>
      (parts().events?.past.events() ?? [])
        .map(({ event }) => event)
        .filter(({ kind, status, muted }) => kind === 'silent' && status !== 'held_back' && muted !== true),
  };
}
