/** The events of a detector from all processes that share its store, in memory and in files, with their labels. */
import type { AnomalyEvent } from '../domain/event';
import { createEventFiles } from './event-files';
import { createEventRecords, type EventRecordsOptions } from './event-records';
import {
  withoutRecords,
  withTopChannels,
  type EventLabel,
  type ObservedImage,
  type PastEvent,
  type WholeEvent,
} from './past-event';
import { emptyColumns, type RecentRecords } from './recent-records';

/** The newest records of a device, and the most anomalous of its newest successive anomalous images. */
export interface ObservedDevice {
  recent: RecentRecords;
  image?: ObservedImage | undefined;
}

export interface SharedEventsOptions extends EventRecordsOptions {
  folder: string;
  /** Maximum number of events that are kept. */
  most: number;
  /** Called with the error of a file that cannot be read; the file is skipped. */
  onBad: (err: unknown) => void;
}

export function createSharedEvents({ folder, most, onBad, ...options }: SharedEventsOptions) {
  const files = createEventFiles(folder);
  const records = createEventRecords(options);
  const listeners = new Set<(past: PastEvent) => void>();

  function notice(past: PastEvent | undefined): PastEvent | undefined {
    if (past !== undefined) for (const listener of listeners) listener(past);
    return past;
  }

  /** Labels that were added after the event was saved. */
  async function readLabels(): Promise<void> {
    for (const id of await files.labelled(records.list())) {
      for (;;) {
        const revision = records.get(id)!.revision + 1;
        const label = await files.readLabel(id, revision);
        if (label === undefined) break;
        notice(records.label(id, label, revision));
      }
    }
  }

  /**
   * An event with the records around it, from memory or from its file. If the file is missing or damaged, the event has no
   * records.
   */
  async function whole(id: string): Promise<WholeEvent | undefined> {
    const past = records.get(id);
    if (past === undefined) return undefined;
    const unstored = records.unstored(id);
    if (unstored !== undefined) return unstored;
    const stored = await files.read(id).catch(() => undefined);
    const { channels = [], records: columns = emptyColumns(0), picture } = stored ?? {};
    return { channels, records: columns, ...(picture && { picture }), ...past };
  }

  return {
    /** Reads the events of earlier processes. @param continues whether open ones continue; otherwise they are over */
    async restore(continues: boolean): Promise<void> {
      for (const one of await files.readAll(onBad)) {
        const { event } = one;
        const isOver = !continues && event.status === 'open';
        records.restore(isOver ? { ...one, event: { ...event, status: 'closed', closedBy: 'end' } } : one);
      }
    },
    /** @param device undefined if this process has no records of it */
    report(event: AnomalyEvent, channels: readonly string[], device: ObservedDevice | undefined): void {
      notice(records.report(event, channels, device?.recent, device?.image));
    },
    /** Call when a device has another record. Cheap if none of its events is followed. */
    follow({ key, recent, image }: ObservedDevice & { key: string }): void {
      records.follow(key, recent, image);
    },
    get: records.get,
    list: records.list,
    whole,
    /**
     * Stores a person's label of an event, for all processes.
     * @param write writes the label to the place from which trainings read it; if it rejects, the event gets no label
     * @returns undefined for an unknown event, or for one that was labelled meanwhile
     */
    async label(id: string, label: EventLabel, write: () => Promise<void>): Promise<PastEvent | undefined> {
      const known = records.get(id);
      if (known === undefined) return undefined;
      const revision = known.revision + 1;
      if (!(await files.addLabel(id, revision, label))) {
        await readLabels();
        return undefined;
      }
      try {
        await write();
      } catch (error) {
        await files.removeLabel(id, revision);
        throw error;
      }
      return notice(records.label(id, label, revision));
    },
    /** Reads the changes by other processes: events of their partitions, and labels. */
    async refresh(): Promise<void> {
      const { events, changed } = await files.changes(onBad);
      for (const one of events) notice(records.adopt(withoutRecords(one)));
      if (changed) await readLabels();
    },
    /** Saves the events that have changed, and removes those above the maximum number. */
    async save(): Promise<void> {
      for (const id of records.prune(most)) await files.remove(id);
      const ids = records.takeChanged();
      for (const [i, id] of ids.entries()) {
        try {
          const one = await whole(id);
          if (one === undefined) continue;
          await files.write(withTopChannels(one));
          records.stored(id, one);
        } catch (error) {
          for (const left of ids.slice(i)) records.keepChanged(left);
          throw error;
        }
      }
    },
    /** Calls `listener` with each event that is reported or labelled. Returns a function that ends the subscription. */
    subscribe(listener: (past: PastEvent) => void): () => void {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
