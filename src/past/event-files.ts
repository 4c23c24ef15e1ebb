/**
 * Events in files, one per event, each replaced in one step:
 *
 *     <store>/<detector>/past/events/<hash of the id>.json
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import nodeFs from 'node:fs/promises';
import { join } from 'node:path';
import { privateFolder, writeAtomically } from '../system/atomic-write';
import { unlessMissing } from '../system/file-system';
import { isObject } from '../system/json';
import { removeTemporaries } from '../system/temporary-names';
import type { PastEvent, WholeEvent } from './event-records';
import { emptyColumns, type RecordColumns } from './recent-records';

const schema = 1;

export type EventFiles = ReturnType<typeof createEventFiles>;

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
  const pathOf = (id: string): string =>
    join(folder, `${createHash('sha256').update(id).digest('hex').slice(0, 32)}.json`);

  async function read(path: string): Promise<WholeEvent | undefined> {
    const text = await unlessMissing(readFile(path, 'utf8'));
    return text === undefined ? undefined : decodeEvent(text, path);
  }

  return {
    read: (id: string) => read(pathOf(id)),
    async write(whole: WholeEvent): Promise<void> {
      if (!prepared) {
        await mkdir(folder, { recursive: true, mode: privateFolder });
        await removeTemporaries(nodeFs, folder, Date.now());
        prepared = true;
      }
      await writeAtomically(pathOf(whole.event.id), encodeEvent(whole));
    },
    remove: (id: string) => rm(pathOf(id), { force: true }),
    /** Every event, in the order in which they were reported first; calls `onBad` for files that contain none. */
    async readAll(onBad: (err: unknown) => void): Promise<WholeEvent[]> {
      const names = (await unlessMissing(readdir(folder))) ?? [];
      const events: WholeEvent[] = [];
      for (const name of names.filter((one) => /^[0-9a-f]{32}\.json$/.test(one))) {
        const event = await read(join(folder, name)).catch(onBad);
        if (event !== undefined) events.push(event);
      }
      return events.sort((a, b) => a.reportedAt - b.reportedAt);
    },
  };
}

/** Seven digits are what single precision has. */
const digits = (value: number): number | null =>
  Number.isFinite(value) ? Number(value.toPrecision(7)) : null;

function encodeEvent({ channels, records, ...past }: WholeEvent): string {
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
  };
  return `${JSON.stringify(stored)}\n`;
}

/** @throws Error that names the file */
function decodeEvent(text: string, path: string): WholeEvent {
  try {
    const stored: unknown = JSON.parse(text);
    if (!isObject(stored) || stored['schema'] !== schema) throw new Error(`no event of the schema ${schema}`);
    const { event, reportedAt, updatedAt, revision, label, channels, records } =
      stored as unknown as PastEvent & {
        channels: string[];
        records: Record<keyof RecordColumns, never[]>;
      };
    if (typeof event.id !== 'string' || typeof reportedAt !== 'number') throw new Error('no event');
    const columns = emptyColumns(channels.length);
    const numbers = (values: readonly (number | null)[]): number[] => values.map((value) => value ?? NaN);
    return {
      event,
      reportedAt,
      updatedAt,
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
    };
  } catch (cause) {
    throw new Error(`${path} is not an event: ${(cause as Error).message}`, { cause });
  }
}
