/**
 * The devices of this process with their newest records and their scores, which are saved, and the saved scores of other
 * processes.
 */
import type { DetectorSettings } from '../config/settings';
import { createRecentRecords } from './recent-records';
import { createScoreMinutes, minuteMs } from './score-minutes';
import type { ObservedDevice } from './shared-events';
import { createStoredScores, type DeviceScores, type StoredScoresOptions } from './stored-scores';

interface Device extends DeviceScores, ObservedDevice {}

/** Least time between two saves of the scores, as a multiple of the duration of the last one. */
const savingShare = 100;

export interface DevicesOptions extends Omit<StoredScoresOptions, 'intervalMs'> {
  settings: DetectorSettings['past'];
}

export function createDevices({ settings, ...options }: DevicesOptions) {
  const { minutes, now } = options;
  const stored = createStoredScores({ ...options, intervalMs: settings.saveIntervalMs });
  const devices = new Map<string, Device>();
  /** Partitions with scores that are not saved yet. */
  const unsaved = new Set<number>();
  let sweptAt = -Infinity;
  let savedAt = now();
  let tookMs = 0;

  function adopt(scores: readonly DeviceScores[]): void {
    for (const { key, partition, minutes: earlier } of scores)
      roomFor(key, partition, 0)?.minutes.restore(earlier.cells());
  }

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

  const newest = (): number =>
    [...devices.values()].reduce((most, one) => Math.max(most, one.minutes.newest), 0);

  /** Drops devices whose scores are all too old to be kept. Checks at most once a minute. */
  function makeRoom(): boolean {
    if (now() - sweptAt < minuteMs) return false;
    sweptAt = now();
    const oldest = newest() - minutes;
    for (const [key, one] of devices) if (one.minutes.newest <= oldest) devices.delete(key);
    return devices.size < settings.devices;
  }

  return {
    /** Reads the scores that were saved before. */
    restore: async (): Promise<void> => adopt(await stored.takeAll()),
    get: (key: string): Device | undefined => devices.get(key),
    /**
     * The device of a record, whose scores are about to change.
     * @param width number of channels
     * @returns undefined if the maximum number of devices is reached
     */
    hear(key: string, partition: number, width: number): Device | undefined {
      const device = roomFor(key, partition, width);
      if (device === undefined) return undefined;
      device.partition = partition;
      unsaved.add(partition);
      return device;
    },
    /** Number of the newest minute of any device of this process; 0 without scores. */
    newest,
    /** Scores by key, of this process and of others: the newest of each device, as its partition may have moved. */
    allScores(): Map<string, DeviceScores> {
      const all = new Map<string, DeviceScores>(devices);
      for (const one of stored.others()) {
        const own = all.get(one.key);
        if (own === undefined || own.minutes.newest < one.minutes.newest) all.set(one.key, one);
      }
      return all;
    },
    /** Saves the scores. @param all even if the last save was a short time ago */
    async save(all: boolean): Promise<void> {
      if (!all && now() - savedAt < savingShare * tookMs) return;
      const began = performance.now();
      for (const partition of [...unsaved]) {
        await stored.save(partition, () => {
          // Another process may have had the partition before.
          adopt(stored.take(partition));
          return [...devices.values()].filter((one) => one.partition === partition);
        });
        unsaved.delete(partition);
      }
      savedAt = now();
      tookMs = performance.now() - began;
    },
    /** Reads the scores that other processes have saved. */
    readOthers: () => stored.refresh(),
    /** Drops scores of other processes that were not requested lately. */
    forgetUnused: () => stored.forgetUnused(),
  };
}
