/** The stored state of one partition. */
import { createSnapshotFormat, type PartitionSnapshot } from './snapshot';
import type { StateErrorReason, StateRules } from './rules';
import type { PartitionStore } from './store';

export type StoredPartition = ReturnType<typeof createStoredPartition>;

/** Reports why a state is not used, or not saved, and never rejects. */
export function createStoredPartition(
  topic: string,
  partition: number,
  store: PartitionStore,
  rules: Pick<StateRules, 'categories' | 'table' | 'events' | 'fingerprint'> & { maxReplay: number },
  report: (reason: StateErrorReason, fields?: Record<string, unknown>) => void,
) {
  const format = createSnapshotFormat(rules);

  /** Returns whether the snapshot is on disk. */
  async function save(snapshot: PartitionSnapshot): Promise<boolean> {
    try {
      await store.save(topic, partition, format.encode(snapshot));
      return true;
    } catch (err) {
      report('unsaved', { err });
      return false;
    }
  }

  return {
    /** The state, if processing at `liveFrom` can continue from it. */
    async load(liveFrom: bigint): Promise<PartitionSnapshot | undefined> {
      try {
        const state = await store.load(topic, partition);
        if (state === undefined) return undefined;
        const offsets = { offset: String(state.offset), liveFrom: String(liveFrom) };
        if (!format.hasTheseSettings(state)) report('other_settings');
        else if (state.offset >= liveFrom) report('ahead', offsets);
        else if (liveFrom - state.offset > BigInt(rules.maxReplay)) report('too_old', offsets);
        else return format.decode(state);
      } catch (err) {
        report('unreadable', { err });
      }
      return undefined;
    },
    save,
    /** Replaces a part of the state; returns whether that is on disk. False where there is no state. */
    async amend(part: Partial<Pick<PartitionSnapshot, 'baselines' | 'labels'>>): Promise<boolean> {
      try {
        const state = await store.load(topic, partition);
        if (state === undefined || !format.hasTheseSettings(state)) return false;
        return await save({ ...format.decode(state), ...part });
      } catch (err) {
        report('unsaved', { err });
        return false;
      }
    },
  };
}
