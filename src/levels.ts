/**
 * The levels of the devices of one partition. What is said of a record rests on them, so they are kept as strictly as
 * offsets are: what is stored is never ahead of what the source has committed, and what lies between the two is read
 * again after a start and taken in as it was the first time.
 */
import type { DeviceLevels, LevelPolicy, Levels } from './calibration/level';
import type { DetectorSettings } from './config/settings';
import type { Detector } from './scoring/detector';
import type { Assignment, Batch } from './sources/source';
import type { LevelStore, StoredLevels } from './store/level-store';

/** What can go wrong with levels: none of it stops scoring, all of it may change what is said after a start. */
export const levelProblems = ['unreadable', 'unsaved', 'records_missing', 'ahead'] as const;
export type LevelProblem = (typeof levelProblems)[number];

/** How levels are followed; without a store they are lost when the process ends. */
export interface LevelRules {
  policy: LevelPolicy;
  store?: LevelStore;
  /** Least number of offsets between two saves of a partition; default 10,000. */
  saveEvery?: number;
  onProblem?: (problem: LevelProblem, fields: Record<string, unknown>) => void;
}

/** What the configuration says of them, or undefined where levels are not followed. */
export function levelPolicy({ calibration, window }: DetectorSettings): LevelPolicy | undefined {
  if (calibration.levelRecords === 0) return undefined;
  return { records: calibration.levelRecords, maxKeys: window.maxKeys };
}

export interface PartitionLevels {
  /** Before a batch is assessed: continues from what is stored, begins anew for a new version, saves what is due. */
  prepare(batch: Batch, detector: Detector): Promise<void>;
  /** Whether the levels have yet to take in the message at `offset`. */
  lack(offset: bigint): boolean;
  /** Of the device that the message at `offset` is of; what they have taken in they do not take in again. */
  of(key: string, offset: bigint): DeviceLevels | undefined;
  /** The batch that ends in `offset` has been assessed. */
  advance(offset: bigint): void;
}

interface Followed {
  version: string;
  levels: Levels;
  /** Offset of the last message that they have taken in. */
  to: bigint;
}

/** Read again in a second or so, and rare enough that writing costs nothing beside scoring. */
const defaultSaveEvery = 10_000;

/** A save takes as long as there are devices: each is to have had some records since the last one. */
const recordsPerDevice = 20;

/** Offsets; more than are ever handled and not committed. */
const setBack = 100_000n;

/** Whether a group was set back, or a topic made anew: more than a batch that comes again. */
function wasSetBack(liveFrom: bigint, seen: bigint): boolean {
  return seen - liveFrom >= setBack;
}

export function createPartitionLevels(topic: string, partition: number, rules: LevelRules): PartitionLevels {
  const { policy, store, saveEvery = defaultSaveEvery, onProblem = () => undefined } = rules;
  let followed: Followed | undefined;
  let assignment: Assignment | undefined;
  /** Taken, and not yet written, because the source has not committed that far. */
  let waiting: StoredLevels | undefined;
  let takenAt = -1n;
  /** Where levels have begun, until that is written: from there on all of them can be found again. */
  let beginning: StoredLevels | undefined;

  function report(problem: LevelProblem, fields: Record<string, unknown>): void {
    onProblem(problem, { topic, partition, ...fields });
  }

  function follow(next: Followed): Followed {
    waiting = beginning = undefined;
    takenAt = next.to;
    return (followed = next);
  }

  /** Whether it is on the disk. */
  async function save(snapshot: StoredLevels): Promise<boolean> {
    try {
      await store?.save(topic, partition, snapshot);
      return true;
    } catch (err) {
      report('unsaved', { err });
      return false;
    }
  }

  /** What is stored for this version, if it can be used by a partition that goes on at `liveFrom`. */
  async function load(detector: Detector, liveFrom: bigint): Promise<Followed | undefined> {
    try {
      const stored = await store?.load(topic, partition);
      if (stored?.version !== detector.version) return undefined;
      const { version, offset, devices } = stored;
      // Levels that begin at a swap may be stored before the batch in front of it is committed: there is nothing in them.
      if (offset >= liveFrom && (devices.length > 0 || wasSetBack(liveFrom, offset))) {
        report('ahead', { offset: String(offset), liveFrom: String(liveFrom) });
        return undefined;
      }
      return { version, levels: detector.createLevels(policy, devices), to: offset };
    } catch (err) {
      report('unreadable', { err });
      return undefined;
    }
  }

  /** The partition may have been elsewhere: of what is here and what is stored, the one that is further on. */
  async function resume({ from, liveFrom }: Assignment, detector: Detector): Promise<void> {
    const stored = await load(detector, liveFrom);
    if (
      followed !== undefined &&
      (followed.version !== detector.version || wasSetBack(liveFrom, followed.to))
    )
      followed = undefined;
    if (stored !== undefined && stored.to > (followed?.to ?? -2n)) follow(stored);
    if (followed !== undefined && from > followed.to + 1n)
      report('records_missing', { offset: String(followed.to), readFrom: String(from) });
  }

  /** At the level of calibration, from the next live message on. */
  function begin(batch: Batch, detector: Detector): void {
    const firstLive = batch.messages.find(({ refill }) => !refill)?.origin.offset;
    const liveFrom = assignment?.liveFrom ?? (firstLive === undefined ? undefined : BigInt(firstLive));
    const seen = followed?.to ?? -1n;
    followed = undefined;
    if (liveFrom === undefined) return;
    const to = seen >= liveFrom ? seen : liveFrom - 1n;
    follow({ version: detector.version, levels: detector.createLevels(policy), to });
    beginning = { version: detector.version, offset: to, devices: [] };
  }

  async function saveWhenDue({ version, levels, to }: Followed, committed: bigint): Promise<void> {
    const due = BigInt(Math.max(saveEvery, recordsPerDevice * levels.size));
    if (waiting === undefined && to - takenAt >= due) {
      waiting = { version, offset: to, devices: levels.snapshot() };
      takenAt = to;
    }
    if (waiting === undefined || waiting.offset >= committed) return;
    const snapshot = waiting;
    waiting = undefined;
    if (await save(snapshot)) beginning = undefined;
  }

  return {
    async prepare(batch, detector) {
      if (batch.assignment !== undefined) {
        assignment = batch.assignment;
        await resume(assignment, detector);
      }
      if (followed?.version !== detector.version) begin(batch, detector);
      if (beginning !== undefined && (await save(beginning))) beginning = undefined;
      if (followed !== undefined && store !== undefined && batch.committed !== undefined)
        await saveWhenDue(followed, batch.committed);
    },
    lack: (offset) => followed !== undefined && offset > followed.to,
    of(key, offset) {
      if (followed === undefined) return undefined;
      const device = followed.levels.of(key);
      return offset > followed.to ? device : { above: device.above, observe: () => undefined };
    },
    advance(offset) {
      if (followed !== undefined && offset > followed.to) followed.to = offset;
    },
  };
}
