/**
 * The saved scores of devices, one file per partition, written by the process that has the partition:
 *
 *     <store>/<detector>/past/scores-<partition>.state
 */
import { createStateStore } from '../state/store';
import { fileState } from '../system/file-system';
import { createScoreMinutes, minuteColumns, type ScoreMinutes } from './score-minutes';

export interface DeviceScores {
  key: string;
  partition: number;
  minutes: ScoreMinutes;
}

/** Scores of other processes are dropped from memory after this time without a request, ms. */
const keptMs = 600_000;

export interface StoredScoresOptions {
  directory: string;
  detector: string;
  /** Number of minutes that are kept. */
  minutes: number;
  /** Interval at which other processes save, so files are checked at most once in it, ms. */
  intervalMs: number;
  onBad: (err: unknown) => void;
  /** Unix ms. */
  now: () => number;
}

export function createStoredScores(options: StoredScoresOptions) {
  const { directory, detector, minutes, intervalMs, onBad, now } = options;
  const store = createStateStore({ directory, detector, folder: 'past' });
  /**
   * By partition: the state of its file when this process last read or wrote it, and the scores that another process has saved
   * there.
   */
  const known = new Map<number, { state: string; devices: DeviceScores[] }>();
  let lookedAt = -Infinity;
  let askedAt = -Infinity;

  const stateOf = (partition: number): Promise<string> => fileState(store.pathOf(name, partition));

  async function load(partition: number): Promise<DeviceScores[]> {
    const stored = await store.load(name, partition);
    if (stored === undefined) return [];
    const { keys, counts, width } = stored.content as { keys: string[]; counts: number[]; width?: number };
    // The file was written by another version of vaemon.
    if (width !== minuteColumns) return [];
    const cells = stored.columns['minutes'] as Int32Array;
    let at = 0;
    return keys.map((key, i) => {
      const length = counts[i]! * minuteColumns;
      const one = { key, partition, minutes: createScoreMinutes(minutes) };
      one.minutes.restore(cells.subarray(at, at + length));
      at += length;
      return one;
    });
  }

  async function partitions(): Promise<number[]> {
    const listed = await store.list().catch(() => []);
    return listed.flatMap(({ topic, partition }) => (topic === name ? [partition] : []));
  }

  /** Reads a file if another process has written it since this one did. */
  async function readChanged(partition: number): Promise<void> {
    const state = await stateOf(partition);
    if (state === known.get(partition)?.state) return;
    const devices = await load(partition).catch((err: unknown) => {
      onBad(err);
      return [];
    });
    known.set(partition, { state, devices });
  }

  return {
    /** Takes the stored scores of all partitions, at the start. */
    async takeAll(): Promise<DeviceScores[]> {
      for (const partition of await partitions()) await readChanged(partition);
      return [...known.keys()].flatMap((partition) => this.take(partition));
    },
    /** Returns and removes the scores that another process has stored of a partition, as last read. */
    take(partition: number): DeviceScores[] {
      const one = known.get(partition);
      if (one === undefined) return [];
      known.set(partition, { ...one, devices: [] });
      return one.devices;
    },
    /**
     * Replaces the stored scores of a partition.
     * @param devices returns its scores; called after `take` can return those of the previous process
     */
    async save(partition: number, devices: () => readonly DeviceScores[]): Promise<void> {
      await readChanged(partition);
      const own = devices();
      const cells = own.map((one) => one.minutes.cells());
      const column = new Int32Array(cells.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const one of cells) {
        column.set(one, at);
        at += one.length;
      }
      const content = {
        keys: own.map(({ key }) => key),
        counts: cells.map(({ length }) => length / minuteColumns),
        width: minuteColumns,
      };
      await store.save(name, partition, { offset: -1n, content, columns: { minutes: column } });
      known.set(partition, { state: await stateOf(partition), devices: [] });
    },
    /** Reads what other processes have saved since the last call. */
    async refresh(): Promise<void> {
      askedAt = now();
      if (askedAt - lookedAt < intervalMs) return;
      lookedAt = askedAt;
      for (const partition of await partitions()) await readChanged(partition);
    },
    /** Drops scores of other processes that were not requested lately. */
    forgetUnused(): void {
      if (now() - askedAt < keptMs) return;
      for (const [partition, { devices }] of known) if (devices.length > 0) known.delete(partition);
      lookedAt = -Infinity;
    },
    /** Scores of other processes, as of the last `refresh`. */
    others: (): DeviceScores[] => [...known.values()].flatMap(({ devices }) => devices),
  };
}

const name = 'scores';
