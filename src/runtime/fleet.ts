/** The processes that share the store of a detector, and the data about them for notification sinks. */
import { join } from 'node:path';
import { createProcesses, processName, type Processes } from '../past/processes';
import type { DaemonSettings } from '../config/settings';
import type { Logger } from '../logger';
import type { Fleet } from '../sinks/notification/claims';
import type { PartitionStates } from '../state/partitions';
import type { ModelSlot } from './model-slot';
import { Poll } from './poll';
import type { RecordWatch } from './record-watch';
import type { ReportedEvents } from './reported-events';

/** Exchanges the state of the detector with the other processes, until stopped. */
export function joinProcesses(
  detector: string,
  { path: directory, pollIntervalMs: intervalMs }: DaemonSettings['store'],
  states: PartitionStates,
  records: Pick<RecordWatch, 'perSecond'>,
  slot: Pick<ModelSlot, 'version'>,
  log: Logger,
) {
  const processes: Processes = createProcesses({
    directory,
    detector,
    intervalMs,
    describe: () => ({
      partitions: states.partitions.map(({ partition }) => partition),
      openEvents: states.open,
      recordsPerSecond: records.perSecond(),
      devices: states.devices,
      spentRatio: states.budgetSpentRatio,
      version: slot.version() ?? '',
    }),
    log,
  });
  const exchange = new Poll(intervalMs, () => processes.exchange());
  return {
    list: () => processes.list(),
    isAlive: (name: string) => processes.isAlive(name),
    /** Exchanges now. Never rejects. */
    refresh: () => exchange.run(),
    async stop(): Promise<void> {
      await exchange.stop();
      await processes.leave();
    },
  };
}

export interface FleetParts {
  events?: { past: Pick<ReportedEvents['past'], 'refresh' | 'share' | 'event' | 'events'> };
  processes?: Pick<ReturnType<typeof joinProcesses>, 'isAlive' | 'refresh'>;
}

/** @param parts parts that exist already: sinks start before the events and the processes are known */
export function createFleet(store: string, detector: string, parts: FleetParts): Fleet {
  return {
    folder: join(store, detector),
    name: processName,
    isAlive: (name) => parts.processes?.isAlive(name) === true,
    async refresh() {
      await parts.processes?.refresh();
      await parts.events?.past.refresh();
    },
    async share() {
      await parts.events?.past.share();
    },
    reported: (id) => parts.events?.past.event(id)?.event,
    silences: () =>
      (parts.events?.past.events() ?? [])
        .map(({ event }) => event)
        .filter(({ kind, status, muted }) => kind === 'silent' && status !== 'held_back' && muted !== true),
  };
}
