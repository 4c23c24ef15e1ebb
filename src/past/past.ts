/**
 * The recent past of one detector, for people: its events with the records around them, and the scores of its devices. It is
 * told of each record and keeps it in memory; files are written beside, so that no record waits for them. What the last save did
 * not contain is lost with the process, and nothing else depends on it.
 */
import type { AnomalyEvent } from '../domain/event';
import type { WitnessedRecord, WriteValues } from '../domain/witnessed-record';
import type { DetectorSettings } from '../config/settings';
import type { Sink } from '../sinks/sink';
import nodeFs from 'node:fs/promises';
import { messageOf } from '../system/error-text';
import { folderBytes } from '../system/file-system';
import { pause } from '../system/pause';
import { createEventFiles, eventFolder, pastFolder } from './event-files';
import { processName } from './processes';
import {
  createEventRecords,
  withTopChannels,
  odderImage,
  type EventLabel,
  type ObservedImage,
  type PastEvent,
  type WholeEvent,
} from './event-records';
import { createRecentRecords, emptyColumns, type RecentRecords, type RecordColumns } from './recent-records';
import { createScoreMinutes, minuteMs, type MinuteScore } from './score-minutes';
import { createStoredScores, type DeviceScores } from './stored-scores';

interface Device extends DeviceScores {
  recent: RecentRecords;
  /** The oddest of its newest anomalous images in a row. */
  image?: ObservedImage | undefined;
}

export interface PastOptions {
  /** The store: one folder per detector. */
  directory: string;
  detector: string;
  settings: DetectorSettings['past'];
  /** When an event opens. */
  events: Pick<DetectorSettings['events'], 'openRecords' | 'openWindow'>;
  /** Name of this process among those that share the store. */
  process?: string;
  /** Whether the detector continues its open events after a restart. If not, those of an earlier process are over. */
  continues: boolean;
  /** Disk space in bytes, after a save, and saves that failed. */
  metrics: { bytes(bytes: number): void; saveFailed(): void };
  log: { warn(message: string, fields: Record<string, unknown>): unknown };
  /** Unix ms. */
  now?: () => number;
}

/** Least time between two saves of the scores, as a multiple of the time that the last one took. */
const savingShare = 100;

export type Past = Awaited<ReturnType<typeof openPast>>;

/** Reads what an earlier process has saved. Files that cannot be read are logged and left out. */
export async function openPast(options: PastOptions) {
  const { directory, detector, settings, events, continues, metrics, log, now = Date.now } = options;
  const minutes = Math.max(1, Math.round(settings.scoresMs / minuteMs));
  const files = createEventFiles(eventFolder(directory, detector));
  const stored = createStoredScores({
    directory,
    detector,
    minutes,
    intervalMs: settings.saveIntervalMs,
    onBad: warnUnreadable,
    now,
  });
  const records = createEventRecords({ around: settings.records, by: options.process ?? processName, now });
  const devices = new Map<string, Device>();
  /** Of the newest version. */
  let channels: readonly string[] = [];
  /** Partitions with scores that are not saved yet. */
  const unsaved = new Set<number>();
  const listeners = new Set<(past: PastEvent) => void>();
  const stopping = new AbortController();
  let sweptAt = -Infinity;
  let scoresSavedAt = now();
  let measuredAt = -Infinity;
  let scoresTookMs = 0;
  let inProgress: Promise<void> = Promise.resolve();
  let failure = '';

  await restore();
  const saving = saveRepeatedly();

  function warnUnreadable(err: unknown): void {
    log.warn('a file of the recent past is unreadable', { err });
  }

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

  async function restore(): Promise<void> {
    for (const whole of await files.readAll(warnUnreadable)) {
      const { event } = whole;
      const isOver = !continues && event.status === 'open';
      records.restore(isOver ? { ...whole, event: { ...event, status: 'closed', closedBy: 'end' } } : whole);
    }
    adopt(await stored.takeAll());
  }

  function adopt(scores: readonly DeviceScores[]): void {
    for (const { key, partition, minutes: earlier } of scores)
      roomFor(key, partition, 0)?.minutes.restore(earlier.cells());
  }

  /** The device of a key; undefined if there is no room for another one. */
  function roomFor(key: string, partition: number, width: number): Device | undefined {
    let device = devices.get(key);
    if (device === undefined) {
      if (devices.size >= settings.devices && !makeRoom()) return undefined;
      device = {
        key,
        partition,
        recent: createRecentRecords(settings.records, width),
        minutes: createScoreMinutes(minutes),
      };
      devices.set(key, device);
    } else if (device.recent.channels !== width && width > 0)
      device.recent = createRecentRecords(settings.records, width);
    return device;
  }

  /** Drops devices all of whose scores are older than those that are kept. Looks for them once a minute at most. */
  function makeRoom(): boolean {
    if (now() - sweptAt < minuteMs) return false;
    sweptAt = now();
    const newest = [...devices.values()].reduce((most, one) => Math.max(most, one.minutes.newest), 0);
    for (const [key, one] of devices) if (one.minutes.newest <= newest - minutes) devices.delete(key);
    return devices.size < settings.devices;
  }

  /** By key, of this process and of others: the newest of each device, whose partition may have moved. */
  function allScores(): Map<string, DeviceScores> {
    const all = new Map<string, DeviceScores>(devices);
    for (const one of stored.others()) {
      const own = all.get(one.key);
      if (own === undefined || own.minutes.newest < one.minutes.newest) all.set(one.key, one);
    }
    return all;
  }

  function report(events: readonly AnomalyEvent[], names = channels): void {
    for (const event of events) {
      const device = devices.get(event.key);
      const past = records.report(event, names, device?.recent, device?.image);
      if (event.status !== 'open') delete device?.image;
      for (const listener of listeners) listener(past);
    }
  }

  async function saveRepeatedly(): Promise<void> {
    while (!stopping.signal.aborted) {
      await pause(settings.saveIntervalMs, stopping.signal);
      await save(stopping.signal.aborted);
    }
  }

  /** @param all save the scores even if that was done a short time ago */
  function save(all: boolean): Promise<void> {
    inProgress = inProgress.then(async () => {
      try {
        await saveEvents();
        if (all || now() - scoresSavedAt >= savingShare * scoresTookMs) await saveScores();
        failure = '';
        await measure();
      } catch (err) {
        metrics.saveFailed();
        const text = messageOf(err);
        if (text !== failure) log.warn('the recent past could not be saved', { err });
        failure = text;
      }
    });
    return inProgress;
  }

  /** Once a minute at most: there may be thousands of files. */
  async function measure(): Promise<void> {
    if (now() - measuredAt < minuteMs) return;
    measuredAt = now();
    metrics.bytes(await folderBytes(nodeFs, pastFolder(directory, detector)));
  }

  async function saveEvents(): Promise<void> {
    for (const id of records.prune(settings.events)) await files.remove(id);
    const ids = records.takeChanged();
    for (const [i, id] of ids.entries()) {
      try {
        const past = records.get(id);
        const whole = past && (records.unstored(id) ?? { ...(await readStored(id)), ...past });
        if (whole === undefined) continue;
        await files.write(withTopChannels(whole));
        records.stored(id, whole);
      } catch (error) {
        for (const left of ids.slice(i)) records.keepChanged(left);
        throw error;
      }
    }
  }

  /** An event whose file is missing or damaged has no records. */
  async function readStored(id: string): Promise<Pick<WholeEvent, 'channels' | 'records' | 'picture'>> {
    const stored = await files.read(id).catch(() => undefined);
    const { channels: names = [], records: columns = emptyColumns(0), picture } = stored ?? {};
    return { channels: names, records: columns, ...(picture && { picture }) };
  }

  async function saveScores(): Promise<void> {
    const began = performance.now();
    for (const partition of [...unsaved]) {
      await stored.save(partition, () => {
        // Another process had the partition before.
        adopt(stored.take(partition));
        return [...devices.values()].filter((one) => one.partition === partition);
      });
      unsaved.delete(partition);
    }
    scoresSavedAt = now();
    scoresTookMs = performance.now() - began;
  }

  return {
    /** Call for each live record with a decision, in the order of the records of a key. */
    observe(record: WitnessedRecord, names: readonly string[], write: WriteValues): void {
      channels = names;
      const { partition, key, timestamp, surprise, threshold, aboveBaseline } = record;
      const device = roomFor(key, partition, names.length);
      if (device === undefined) return;
      device.partition = partition;
      const { recent } = device;
      recent.add(timestamp, surprise, threshold, aboveBaseline, write);
      device.minutes.add(record, () => recent.opening(events.openRecords, events.openWindow));
      unsaved.add(partition);
      device.image = record.image && odderImage(device.image, record, record.image);
      records.follow(key, recent, device.image);
    },
    /** Call with the events that the newest record opens or closes. */
    report,
    /** Takes the events that end without a record. */
    sink: {
      name: 'past',
      anomaliesOnly: true,
      write({ events }) {
        report(events);
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    } satisfies Sink,
    /** The newest first, by event time. */
    events: (): PastEvent[] => records.list().sort((a, b) => b.event.openedAt - a.event.openedAt),
    event: (id: string): PastEvent | undefined => records.get(id),
    /** An event with the records around it, from memory or from its file. */
    async whole(id: string): Promise<WholeEvent | undefined> {
      const past = records.get(id);
      if (past === undefined) return undefined;
      return records.unstored(id) ?? { ...(await readStored(id)), ...past };
    },
    /**
     * Notes the label of a person on an event, and saves it. Of several processes or requests that label at once, one succeeds.
     * @param write puts the label where trainings read it; if it rejects, there is no label
     * @returns undefined for an unknown event, or one that another has labelled meanwhile
     */
    async label(
      id: string,
      label: EventLabel,
      write: () => Promise<void> = () => Promise.resolve(),
    ): Promise<PastEvent | undefined> {
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
      const past = notice(records.label(id, label, revision));
      await save(false);
      return past;
    },
    /** Takes in what other processes have written: events of their partitions, and labels. Never rejects. */
    async refresh(): Promise<void> {
      stored.forgetUnused();
      try {
        const { events: found, changed } = await files.changes(warnUnreadable);
        for (const whole of found) notice(records.adopt(withoutRecords(whole)));
        if (changed) await readLabels();
      } catch (err) {
        warnUnreadable(err);
      }
    },
    /** Reads the scores that other processes have saved, for `devices`, `minutes` and `scores`. */
    readScores: () => stored.refresh(),
    /** Devices with scores: the newest minute, by key. */
    devices: (): { key: string; newest: number }[] =>
      [...allScores().values()].map((one) => ({ key: one.key, newest: one.minutes.newest * minuteMs })),
    /** Start of the newest minute of any device of this process, event time, Unix ms; 0 without scores. */
    newest: (): number =>
      minuteMs * [...devices.values()].reduce((most, one) => Math.max(most, one.minutes.newest), 0),
    /** The minutes of every device, by number. */
    minutes: (): DeviceScores[] => [...allScores().values()],
    /** How many minutes are kept. */
    kept: minutes,
    /** By minute, the oldest first; undefined for an unknown device. */
    scores: (key: string): MinuteScore[] | undefined => allScores().get(key)?.minutes.list(),
    /** The newest records of a device, with the names of their channels. */
    recent(key: string): { channels: readonly string[]; records: RecordColumns } | undefined {
      const device = devices.get(key);
      if (device === undefined) return undefined;
      const columns = emptyColumns(device.recent.channels);
      device.recent.appendTo(columns);
      return { channels: device.recent.channels === channels.length ? channels : [], records: columns };
    },
    /** Calls `listener` with each event that is reported or labelled; returns what ends that. */
    subscribe(listener: (past: PastEvent) => void): () => void {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    save: () => save(true),
    /** Saves the events now, for other processes. Never rejects. */
    share: () => save(false),
    /** Saves everything. Idempotent. */
    async stop(): Promise<void> {
      stopping.abort();
      await saving;
      await save(true);
    },
  };
}

function withoutRecords(whole: WholeEvent): PastEvent {
  const past: PastEvent & Partial<WholeEvent> = { ...whole };
  delete past.channels;
  delete past.records;
  delete past.picture;
  return past;
}
