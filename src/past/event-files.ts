/**
 * Events in files, one per event. Each file is replaced in one step by the process that has the partition. Labels, which any
 * process may add, are in separate files that only one process can create:
 *
 *     <store>/<detector>/past/events/<hash of the id>.json
 *     <store>/<detector>/past/events/<hash of the id>.<revision>.label
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import nodeFs from 'node:fs/promises';
import { join } from 'node:path';
import { createAtomically, privateFolder, writeAtomically } from '../system/atomic-write';
import { runConcurrently } from '../system/concurrency';
import { fileState, unlessMissing } from '../system/file-system';
import { isObject } from '../system/json';
import { removeTemporaries } from '../system/temporary-names';
import { storedPicture } from './event-picture';
import type { EventLabel, PastEvent, WholeEvent } from './past-event';
import { emptyColumns, type RecordColumns } from './recent-records';

const schema = 1;

/** Folder of the recent past of a detector in a store. */
export function pastFolder(store: string, detector: string): string {
  return join(store, detector, 'past');
}

/** Folder of its events. */
export function eventFolder(store: string, detector: string): string {
  return join(pastFolder(store, detector), 'events');
}

export function createEventFiles(folder: string) {
  let prepared = false;
  const stemOf = (id: string): string => createHash('sha256').update(id).digest('hex').slice(0, 32);
  const pathOf = (id: string): string => join(folder, `${stemOf(id)}.json`);
  const labelPath = (id: string, revision: number): string => join(folder, `${stemOf(id)}.${revision}.label`);
  /** By file name, the state of the file when it was last read or written here. */
  const known = new Map<string, string>();
  /** State of the folder at the last check; it changes whenever a file in it is replaced. */
  let lookedAt = '';

  async function read(path: string): Promise<WholeEvent | undefined> {
    const text = await unlessMissing(readFile(path, 'utf8'));
    if (text === undefined) return undefined;
    let whole = decodeEvent(text, path);
    for (;;) {
      const revision = whole.revision + 1;
      const label = await readLabel(whole.event.id, revision);
      if (label === undefined) return whole;
      whole = { ...whole, label, revision };
    }
  }

  /** The label with this number; undefined if there is none. */
  async function readLabel(id: string, revision: number): Promise<EventLabel | undefined> {
    const text = await unlessMissing(readFile(labelPath(id, revision), 'utf8'));
    return text === undefined ? undefined : (JSON.parse(text) as EventLabel);
  }

  return {
    read: (id: string) => read(pathOf(id)),
    async write(whole: WholeEvent): Promise<void> {
      if (!prepared) {
        await mkdir(folder, { recursive: true, mode: privateFolder });
        await removeTemporaries(nodeFs, folder, Date.now());
        prepared = true;
      }
      const path = pathOf(whole.event.id);
      await writeAtomically(path, await encodeEvent(whole));
      known.set(`${stemOf(whole.event.id)}.json`, await fileState(path));
    },
    async remove(id: string): Promise<void> {
      const labels = ((await unlessMissing(readdir(folder))) ?? []).filter(
        (name) => name.startsWith(`${stemOf(id)}.`) && name.endsWith('.label'),
      );
      for (const name of labels) await rm(join(folder, name), { force: true });
      await rm(pathOf(id), { force: true });
      known.delete(`${stemOf(id)}.json`);
    },
    /** Adds the label with this number; false if another process, or another request, has added one. */
    async addLabel(id: string, revision: number, label: EventLabel): Promise<boolean> {
      await mkdir(folder, { recursive: true, mode: privateFolder });
      return await createAtomically(labelPath(id, revision), JSON.stringify(label));
    },
    /** Ids of the events that have a label newer than their revision. */
    async labelled(events: readonly PastEvent[]): Promise<string[]> {
      const names = new Set((await unlessMissing(readdir(folder))) ?? []);
      const isLabelled = ({ event: { id }, revision }: PastEvent): boolean =>
        names.has(`${stemOf(id)}.${revision + 1}.label`);
      return events.filter(isLabelled).map(({ event }) => event.id);
    },
    /** Removes the label again. */
    removeLabel: (id: string, revision: number) => rm(labelPath(id, revision), { force: true }),
    readLabel,
    /**
     * The events that other processes have written since the last call, and whether there may be new labels. Checks only the
     * folder if nothing was written in it, otherwise each file.
     */
    async changes(onBad: (err: unknown) => void): Promise<{ events: WholeEvent[]; changed: boolean }> {
      const state = await fileState(folder);
      if (state === lookedAt) return { events: [], changed: false };
      const names = ((await unlessMissing(readdir(folder))) ?? []).filter((name) => isEventFile.test(name));
      const found = await runConcurrently(names, mostReads, async (name) => {
        const path = join(folder, name);
        const now = await fileState(path);
        if (now === known.get(name)) return [];
        known.set(name, now);
        return (await read(path).catch(onBad)) ?? [];
      });
      lookedAt = state;
      return { events: found.flat(), changed: true };
    },
    /** All events, in the order in which they were reported first. Calls `onBad` for files that contain none. */
    async readAll(onBad: (err: unknown) => void): Promise<WholeEvent[]> {
      const names = (await unlessMissing(readdir(folder))) ?? [];
      const events: WholeEvent[] = [];
      for (const name of names.filter((one) => isEventFile.test(one))) {
        known.set(name, await fileState(join(folder, name)));
        const event = await read(join(folder, name)).catch(onBad);
        if (event !== undefined) events.push(event);
      }
      return events.sort((a, b) => a.reportedAt - b.reportedAt);
    },
  };
}

const isEventFile = /^[0-9a-f]{32}\.json$/;

/** Maximum number of files that are read concurrently. */
const mostReads = 16;

/** Rounds to seven digits, the precision of a float32. NaN becomes null. */
const digits = (value: number): number | null =>
  Number.isFinite(value) ? Number(value.toPrecision(7)) : null;

async function encodeEvent({ channels, records, picture, ...past }: WholeEvent): Promise<string> {
  const jpeg = await picture?.jpeg();
  const { timestamps, surprise, threshold, actual, expected } = records;
  const stored = {
    schema,
    ...past,
    channels,
    records: {
      timestamps,
      surprise: surprise.map(digits),
      threshold: threshold.map(digits),
      actual: actual.map((values) => values.map(digits)),
      expected: expected.map((values) => values.map(digits)),
    },
    ...(picture && jpeg !== undefined && { picture: { surprise: picture.surprise, jpeg } }),
  };
  return `${JSON.stringify(stored)}\n`;
}

/** @throws Error with the path of the file */
function decodeEvent(text: string, path: string): WholeEvent {
  try {
    const stored: unknown = JSON.parse(text);
    if (!isObject(stored) || stored['schema'] !== schema) throw new Error(`no event of the schema ${schema}`);
    const { event, reportedAt, updatedAt, by, revision, label, channels, records, picture } =
      stored as unknown as PastEvent & {
        channels: string[];
        records: Record<keyof RecordColumns, never[]>;
        picture?: { surprise: number; jpeg: string };
      };
    if (typeof event.id !== 'string' || typeof reportedAt !== 'number') throw new Error('no event');
    const columns = emptyColumns(channels.length);
    const numbers = (values: readonly (number | null)[]): number[] => values.map((value) => value ?? NaN);
    return {
      event,
      reportedAt,
      updatedAt,
      ...(by !== undefined && { by }),
      revision,
      ...(label && { label }),
      channels,
      records: {
        timestamps: numbers(records.timestamps),
        surprise: numbers(records.surprise),
        threshold: numbers(records.threshold),
        actual: columns.actual.map((_, j) => numbers(records.actual[j]!)),
        expected: columns.expected.map((_, j) => numbers(records.expected[j]!)),
      },
      ...(picture && { picture: storedPicture(picture.surprise, picture.jpeg) }),
    };
  } catch (cause) {
    throw new Error(`${path} is not an event: ${(cause as Error).message}`, { cause });
  }
}
