/**
 * The processes that score a detector. Each one writes its state to a file at an interval, so that any of them can report on
 * all:
 *
 *     <store>/<detector>/past/processes/<name>.json
 *
 * Clocks of machines differ, so the time since a file has last changed is measured by the clock of the reader.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { privateFolder, writeAtomically } from '../system/atomic-write';
import { unlessMissing } from '../system/file-system';
import { messageOf } from '../system/error-text';
import { pastFolder } from './event-files';

/** The state of a detector in one process. */
export interface ProcessState {
  /** Partitions that are assigned to the process. */
  partitions: readonly number[];
  openEvents: number;
  recordsPerSecond: number;
  /** Number of devices with a window. */
  devices: number;
  /** Spent share of the alarm budget, in the partition with the largest share. */
  spentRatio: number;
  /** Model version in use; empty before there is one. */
  version: string;
}

export interface ScoringProcess extends ProcessState {
  name: string;
  /** Time of writing by the clock of the process, Unix ms. */
  at: number;
  /**
   * Whether the process no longer writes, and other processes do not have all of its partitions. Its state is then the last one
   * written.
   */
  stale: boolean;
}

/** A process that has not written for this many intervals counts as ended. */
const missedWrites = 4;
/** Time for which files of ended processes are kept, ms. */
const keptMs = 86_400_000;

/** Name of this process, unchanged by a restart of its container. */
export const processName = `${hostname()}-${process.pid}`;

export interface ProcessesOptions {
  directory: string;
  detector: string;
  /** Time between two writes, ms. */
  intervalMs: number;
  describe: () => ProcessState;
  log: { warn(message: string, fields: Record<string, unknown>): unknown };
  name?: string;
  /** Unix ms. */
  now?: () => number;
}

export type Processes = ReturnType<typeof createProcesses>;

export function createProcesses(options: ProcessesOptions) {
  const { directory, detector, intervalMs, describe, log, name = processName, now = Date.now } = options;
  const folder = join(pastFolder(directory, detector), 'processes');
  const path = join(folder, `${name}.json`);
  const others = new Map<string, { state: Omit<ScoringProcess, 'stale'>; changedAt: number }>();
  let failure = '';

  async function read(file: string): Promise<void> {
    const text = await unlessMissing(readFile(join(folder, file), 'utf8'));
    if (text === undefined) return;
    const state = JSON.parse(text) as Omit<ScoringProcess, 'stale'>;
    const known = others.get(state.name);
    if (known?.state.at === state.at) return;
    // A file found at the first read may be old, so the time in it is the best estimate.
    others.set(state.name, { state, changedAt: known === undefined ? Math.min(now(), state.at) : now() });
  }

  async function exchange(): Promise<void> {
    await mkdir(folder, { recursive: true, mode: privateFolder });
    await writeAtomically(path, `${JSON.stringify({ name, at: now(), ...describe() })}\n`);
    const files = (await readdir(folder)).filter((file) => file.endsWith('.json') && file !== `${name}.json`);
    for (const file of files) await read(file).catch(() => undefined);
    for (const [other, { changedAt }] of others) {
      if (!files.includes(`${other}.json`)) others.delete(other);
      else if (now() - changedAt > keptMs) await rm(join(folder, `${other}.json`), { force: true });
    }
  }

  const isGone = ({ changedAt }: { changedAt: number }): boolean =>
    now() - changedAt > missedWrites * intervalMs;

  return {
    /** Writes the state of this process and reads those of the others. Never rejects. */
    async exchange(): Promise<void> {
      try {
        await exchange();
        failure = '';
      } catch (err) {
        const text = messageOf(err);
        if (text !== failure)
          log.warn(
            'the state of this process cannot be exchanged with the other processes that share the store',
            { err },
          );
        failure = text;
      }
    },
    /** The states of all processes, this one first, without processes whose partitions others have taken over. */
    list(): ScoringProcess[] {
      const own = { name, at: now(), ...describe(), stale: false };
      const living = [...others.values()].filter((one) => !isGone(one));
      const taken = new Set(
        [own, ...living.map(({ state }) => state)].flatMap(({ partitions }) => partitions),
      );
      const lost = [...others.values()].filter(
        (one) => isGone(one) && one.state.partitions.some((partition) => !taken.has(partition)),
      );
      return [
        own,
        ...living.map(({ state }) => ({ ...state, stale: false })),
        ...lost.map(({ state }) => ({ ...state, stale: true })),
      ];
    },
    /** Whether another process runs. */
    isAlive(other: string): boolean {
      const known = others.get(other);
      return known !== undefined && !isGone(known);
    },
    /** Call when the process stops: its partitions move to others. */
    leave: () => rm(path, { force: true }),
  };
}
