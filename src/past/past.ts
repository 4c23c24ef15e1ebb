/**
 * The recent past of one detector, for the web page: its events with the records around them, and the scores of its devices. It
 * receives each record and keeps the data in memory; files are written separately, so that no record waits. Data since the last
 * save are lost when the process ends; nothing else depends on them.
 */
import nodeFs from 'node:fs/promises';
import type { DetectorSettings } from '../config/settings';
import type { AnomalyEvent } from '../domain/event';
import type { WitnessedRecord, WriteValues } from '../domain/witnessed-record';
import type { Sink } from '../sinks/sink';
import { messageOf } from '../system/error-text';
import { folderBytes } from '../system/file-system';
import { pause } from '../system/pause';
import { createDevices } from './devices';
import { eventFolder, pastFolder } from './event-files';
import { odderImage, type EventLabel, type PastEvent, type WholeEvent } from './past-event';
import { processName } from './processes';
import { emptyColumns, type RecordColumns } from './recent-records';
import { minuteMs, type MinuteScore } from './score-minutes';
import { createSharedEvents } from './shared-events';
import type { DeviceScores } from './stored-scores';

export interface PastOptions {
  /** Folder of the store. It has one folder per detector. */
  directory: string;
  detector: string;
  settings: DetectorSettings['past'];
  /** When an event opens. */
  events: Pick<DetectorSettings['events'], 'openRecords' | 'openWindow'>;
  /** Whether the detector continues its open events after a restart. If not, open events of an earlier process are over. */
  continues: boolean;
  /** Records disk usage in bytes after a save, and failed saves. */
  metrics: { bytes(bytes: number): void; saveFailed(): void };
  log: { warn(message: string, fields: Record<string, unknown>): unknown };
}

export type Past = Awaited<ReturnType<typeof openPast>>;

/** Reads what an earlier process has saved. Files that cannot be read are logged and left out. */
export async function openPast(options: PastOptions) {
  const { directory, detector, settings, log } = options;
  const { openRecords, openWindow } = options.events;
  const minutes = Math.max(1, Math.round(settings.scoresMs / minuteMs));
  const onBad = (err: unknown): void => void log.warn('a file of the recent past is unreadable', { err });
  const events = createSharedEvents({
    folder: eventFolder(directory, detector),
    most: settings.events,
    around: settings.records,
    by: processName,
    onBad,
    now: Date.now,
  });
  const devices = createDevices({ directory, detector, settings, minutes, onBad, now: Date.now });
  /** Channels of the newest version. */
  let channels: readonly string[] = [];
  await events.restore(options.continues);
  await devices.restore();
  const saving = saveRepeatedly(options, async (all) => {
    await events.save();
    await devices.save(all);
  });

  function report(reported: readonly AnomalyEvent[], names = channels): void {
    for (const event of reported) {
      const device = devices.get(event.key);
      events.report(event, names, device);
      if (event.status !== 'open') delete device?.image;
    }
  }

  return {
    /** Call for each scored live record, in order within a key. */
    observe(record: WitnessedRecord, names: readonly string[], write: WriteValues): void {
      channels = names;
      const { partition, key, timestamp, surprise, threshold, aboveBaseline } = record;
      const device = devices.hear(key, partition, names.length);
      if (device === undefined) return;
      const { recent } = device;
      recent.add(timestamp, surprise, threshold, aboveBaseline, write);
      device.minutes.add(record, () => recent.opening(openRecords, openWindow));
      device.image = record.image && odderImage(device.image, record, record.image);
      events.follow(device);
    },
    /** Call with the events that the newest record opens or closes. */
    report,
    /** Sink for events that end without a record. */
    sink: {
      name: 'past',
      anomaliesOnly: true,
      write({ events: reported }) {
        report(reported);
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    } satisfies Sink,
    /** All events, the newest first by event time. */
    events: (): PastEvent[] => events.list().sort((a, b) => b.event.openedAt - a.event.openedAt),
    event: (id: string): PastEvent | undefined => events.get(id),
    /** An event with the records around it, from memory or from its file. */
    whole: (id: string): Promise<WholeEvent | undefined> => events.whole(id),
    /**
     * Stores a person's label of an event, and saves it. Of several concurrent labels, from any process, one succeeds.
     * @param write writes the label to the place from which trainings read it; if it rejects, the event gets no label
     * @returns undefined for an unknown event, or for one that was labelled meanwhile
     */
    async label(
      id: string,
      label: EventLabel,
      write: () => Promise<void> = () => Promise.resolve(),
    ): Promise<PastEvent | undefined> {
      const past = await events.label(id, label, write);
      if (past !== undefined) await saving.save(false);
      return past;
    },
    /** Reads the changes by other processes: events of their partitions, and labels. Never rejects. */
    async refresh(): Promise<void> {
      devices.forgetUnused();
      await events.refresh().catch(onBad);
    },
    /** Reads the scores that other processes have saved, for `devices`, `minutes` and `scores`. */
    readScores: () => devices.readOthers(),
    /** Devices with scores: key, and start of the newest minute, Unix ms. */
    devices: (): { key: string; newest: number }[] =>
      [...devices.allScores().values()].map((one) => ({
        key: one.key,
        newest: one.minutes.newest * minuteMs,
      })),
    /** Start of the newest minute of any device of this process, event time, Unix ms; 0 without scores. */
    newest: (): number => minuteMs * devices.newest(),
    /** The scores of every device by minute. */
    minutes: (): DeviceScores[] => [...devices.allScores().values()],
    /** Number of minutes that are kept. */
    kept: minutes,
    /** Scores by minute, the oldest first; undefined for an unknown device. */
    scores: (key: string): MinuteScore[] | undefined => devices.allScores().get(key)?.minutes.list(),
    /** The newest records of a device, with the names of their channels. */
    recent(key: string): { channels: readonly string[]; records: RecordColumns } | undefined {
      const device = devices.get(key);
      if (device === undefined) return undefined;
      const columns = emptyColumns(device.recent.channels);
      device.recent.appendTo(columns);
      return { channels: device.recent.channels === channels.length ? channels : [], records: columns };
    },
    /** Calls `listener` with each event that is reported or labelled. Returns a function that ends the subscription. */
    subscribe: (listener: (past: PastEvent) => void): (() => void) => events.subscribe(listener),
    save: () => saving.save(true),
    /** Saves the events now, for other processes. Never rejects. */
    share: () => saving.save(false),
    /** Saves everything. Idempotent. */
    stop: () => saving.stop(),
  };
}

/**
 * Saves at intervals and on request, one save at a time. Failures are counted, and logged once.
 * @param saveNow saves; its argument: everything, even if the last save was a short time ago
 */
function saveRepeatedly(
  { directory, detector, settings, metrics, log }: PastOptions,
  saveNow: (all: boolean) => Promise<void>,
) {
  const stopping = new AbortController();
  let measuredAt = -Infinity;
  let inProgress: Promise<void> = Promise.resolve();
  let failure = '';
  const running = run();

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await pause(settings.saveIntervalMs, stopping.signal);
      await save(stopping.signal.aborted);
    }
  }

  /** Never rejects. */
  function save(all: boolean): Promise<void> {
    inProgress = inProgress.then(async () => {
      try {
        await saveNow(all);
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

  /** Measured at most once a minute, as there may be thousands of files. */
  async function measure(): Promise<void> {
    if (Date.now() - measuredAt < minuteMs) return;
    measuredAt = Date.now();
    metrics.bytes(await folderBytes(nodeFs, pastFolder(directory, detector)));
  }

  return {
    save,
    async stop(): Promise<void> {
      stopping.abort();
      await running;
      await save(true);
    },
  };
}
