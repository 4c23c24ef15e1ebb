/** When the state of a partition is saved: only after the source has committed beyond the snapshot. */
import type { BaselinesStart, PartitionSnapshot, RecordedLabel } from './snapshot';
import type { StoredPartition } from './stored';

/** Saving is then cheap compared with scoring, and the records in between are read again in about a second. */
const defaultSaveEvery = 10_000;

/** Records per device between two saves: the time of a save is proportional to the number of devices. */
const recordsPerDevice = 20;

/** An offset before all others, the negative ones of histories included. */
export const beforeAll = -(2n ** 63n);

export interface Saved {
  /** Offset of the last processed message. */
  to: bigint;
  devices: number;
  take: () => PartitionSnapshot;
}

/** A change that must be saved before any other snapshot: the beginning of the partition, or a part of its stored state. */
type Beginning = { partition: PartitionSnapshot } | Partial<Pick<PartitionSnapshot, 'baselines' | 'labels'>>;

/**
 * @param saveEvery minimum number of offsets between two saves
 * @param maxReplay a state further back than this number of offsets is not used, so the interval stays below it even with many
 * devices
 */
export function createSaving(
  stored: Pick<StoredPartition, 'save' | 'amend'>,
  saveEvery = defaultSaveEvery,
  maxReplay = Infinity,
) {
  let beginning: Beginning | undefined;
  /** A snapshot that the source has not committed beyond yet. */
  let waiting: PartitionSnapshot | undefined;
  let takenAt = beforeAll;
  /** Labels since the snapshot that is stored or waits. */
  let labels: readonly RecordedLabel[] = [];

  function restart(offset: bigint, first: Beginning | undefined, since: readonly RecordedLabel[]): void {
    takenAt = offset;
    waiting = undefined;
    beginning = first;
    labels = since;
  }

  function save(snapshot: PartitionSnapshot): Promise<boolean> {
    return stored.save({ ...snapshot, labels: labels.filter(({ after }) => after >= snapshot.offset) });
  }

  async function saveTaken(snapshot: PartitionSnapshot): Promise<void> {
    if (!(await save(snapshot))) return;
    beginning = undefined;
    labels = labels.filter(({ after }) => after >= snapshot.offset);
  }

  async function saveBeginning(): Promise<void> {
    if (beginning === undefined) return;
    const isSaved =
      'partition' in beginning ? await save(beginning.partition) : await stored.amend(beginning);
    if (isSaved) beginning = undefined;
  }

  return {
    /** Begins the partition with this snapshot, which is saved before any other. */
    begin: (start: PartitionSnapshot): void => restart(start.offset, { partition: start }, start.labels),
    /** Continues the partition from the stored state at this offset. */
    continue: (offset: bigint, since: readonly RecordedLabel[]): void => restart(offset, undefined, since),
    /** Adds a snapshot before a change of rules, which is saved as soon as the source has committed it. */
    change(snapshot: PartitionSnapshot): void {
      waiting = snapshot;
      takenAt = snapshot.offset;
    },
    /** Begins the baselines of a model version, which are saved before any other snapshot. */
    beginBaselines(start: BaselinesStart): void {
      if (waiting !== undefined) waiting = { ...waiting, baselines: start };
      if (beginning !== undefined && 'partition' in beginning)
        beginning = { partition: { ...beginning.partition, baselines: start } };
      else {
        beginning = { ...beginning, baselines: start };
        // Makes a save due soon: after a restart, the new version would score records again that another version scored since
        // the last save.
        takenAt = beforeAll;
      }
    },
    /** Whether the label was recorded since the snapshot that is stored. */
    hasRecorded: ({ event, label, after }: RecordedLabel): boolean =>
      labels.some((one) => one.event === event && one.label === label && one.after === after),
    /** Records labels that take effect. Resolves when they are saved, or when saving them has failed. */
    async recordLabels(found: readonly RecordedLabel[]): Promise<void> {
      labels = [...labels, ...found];
      if (beginning === undefined || !('partition' in beginning)) beginning = { ...beginning, labels };
      await saveBeginning();
    },
    /** Saves the state even if it is not due, unless it is already saved. Call when the source has committed beyond it. */
    async saveNow({ to, take }: Pick<Saved, 'to' | 'take'>): Promise<void> {
      if (takenAt === to && waiting === undefined) return;
      waiting = undefined;
      takenAt = to;
      await saveTaken(take());
    },
    /** Saves the state if it is due, given the committed offset of the source; undefined = the source commits nothing. */
    async saveDue({ to, devices, take }: Saved, committed: bigint | undefined): Promise<void> {
      await saveBeginning();
      if (committed === undefined) return;
      const forDevices = Math.min(recordsPerDevice * devices, Math.floor(maxReplay / 2));
      if (waiting === undefined && to - takenAt >= BigInt(Math.max(saveEvery, forDevices))) {
        waiting = take();
        takenAt = to;
      }
      if (waiting === undefined || waiting.offset >= committed) return;
      const snapshot = waiting;
      waiting = undefined;
      await saveTaken(snapshot);
    },
  };
}
