/** When the state of a partition is saved: not before the source has committed beyond the snapshot. */
import type { BaselinesStart, PartitionSnapshot, RecordedLabel } from './snapshot';
import type { StoredPartition } from './stored';

/** Rare enough that saving is cheap compared with scoring; the records in between are read again in about a second. */
const defaultSaveEvery = 10_000;

/** Records per device between two saves: a save takes time in proportion to the devices. */
const recordsPerDevice = 20;

/** Before every offset, the negative ones of histories included. */
export const beforeAll = -(2n ** 63n);

export interface Saved {
  /** Offset of the last processed message. */
  to: bigint;
  devices: number;
  take: () => PartitionSnapshot;
}

/** What must be saved before any other snapshot: the beginning of the partition, or a change of its stored state. */
type Beginning = { partition: PartitionSnapshot } | Partial<Pick<PartitionSnapshot, 'baselines' | 'labels'>>;

/**
 * @param saveEvery minimum number of offsets between two saves
 * @param maxReplay a state that lies further back than this number of offsets is not used: many devices must not lead to that
 */
export function createSaving(
  stored: Pick<StoredPartition, 'save' | 'amend'>,
  saveEvery = defaultSaveEvery,
  maxReplay = Infinity,
) {
  let beginning: Beginning | undefined;
  /** Taken, but the source has not committed beyond it yet. */
  let waiting: PartitionSnapshot | undefined;
  let takenAt = beforeAll;
  /** Labels since the snapshot that is stored, or will be. */
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
    /** The partition begins with this snapshot, which is saved before any other. */
    begin: (start: PartitionSnapshot): void => restart(start.offset, { partition: start }, start.labels),
    /** The partition continues from the stored state at this offset. */
    continue: (offset: bigint, since: readonly RecordedLabel[]): void => restart(offset, undefined, since),
    /** What follows the snapshot depends on other rules: it is saved as soon as the source has committed it. */
    change(snapshot: PartitionSnapshot): void {
      waiting = snapshot;
      takenAt = snapshot.offset;
    },
    /** The baselines of a model version begin, which is saved before any other snapshot. */
    beginBaselines(start: BaselinesStart): void {
      if (waiting !== undefined) waiting = { ...waiting, baselines: start };
      if (beginning !== undefined && 'partition' in beginning)
        beginning = { partition: { ...beginning.partition, baselines: start } };
      else {
        beginning = { ...beginning, baselines: start };
        // Saved soon: after a restart the new version scores again what another version scored since the last save.
        takenAt = beforeAll;
      }
    },
    /** Whether the label was recorded since the snapshot that is stored. */
    hasRecorded: ({ event, label, after }: RecordedLabel): boolean =>
      labels.some((one) => one.event === event && one.label === label && one.after === after),
    /** Labels take effect: resolves when they are saved, or have failed to be. */
    async recordLabels(found: readonly RecordedLabel[]): Promise<void> {
      labels = [...labels, ...found];
      if (beginning === undefined || !('partition' in beginning)) beginning = { ...beginning, labels };
      await saveBeginning();
    },
    /** Saves the state, whether or not it is due, unless it is saved. The source has committed beyond it. */
    async saveNow({ to, take }: Pick<Saved, 'to' | 'take'>): Promise<void> {
      if (takenAt === to && waiting === undefined) return;
      waiting = undefined;
      takenAt = to;
      await saveTaken(take());
    },
    /** Saves the state if it is due, given the committed offset of the source; undefined where it commits nothing. */
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
