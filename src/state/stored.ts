/** The stored state of one partition. */
import { createSnapshotFormat, type PartitionSnapshot } from './snapshot';
import type { StateErrorReason, StateRules } from './rules';
import type { PartitionStore } from './store';

export type StoredPartition = ReturnType<typeof createStoredPartition>;

/** Reports the reason if a state is not used or not saved; never rejects. */
export function createStoredPartition(
  topic: string,
  partition: number,
  store: PartitionStore,
  rules: Pick<StateRules, 'categories' | 'table' | 'events' | 'fingerprint'> & { maxReplay: number },
  report: (reason: StateErrorReason, fields?: Record<string, unknown>) => void,
) {
  const format = createSnapshotFormat(rules);
  /**
   * Checksum of the stored state that the contents in memory have saved or continue, and checksum of the state that was loaded
   * last.
   */
  let own: string | undefined;
  let loaded: string | undefined;

  async function isOwn(): Promise<boolean> {
    return own !== undefined && (await store.checksum(topic, partition)) === own;
  }

  /** Saves a snapshot; returns whether it is on the disk. */
  async function save(snapshot: PartitionSnapshot): Promise<boolean> {
    try {
      own = await store.save(topic, partition, format.encode(snapshot));
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
        // Read before the state: if another process replaces the state meanwhile, it is only loaded once more.
        loaded = await store.checksum(topic, partition);
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
    /** Call when the contents in memory continue the state that was loaded last. */
    adopt(): void {
      own = loaded;
    },
    /** Call when the contents in memory begin without a stored state. */
    leave(): void {
      own = undefined;
    },
    /** Whether no other process has replaced the stored state that the contents in memory have saved or continue. */
    async isOwn(): Promise<boolean> {
      try {
        return await isOwn();
      } catch {
        // `load` reports the reason.
        return false;
      }
    },
    /** Replaces a part of the stored state; returns whether it is on the disk. False if there is no stored state. */
    async amend(part: Partial<Pick<PartitionSnapshot, 'baselines' | 'labels'>>): Promise<boolean> {
      try {
        const state = await store.load(topic, partition);
        if (state === undefined || !format.hasTheseSettings(state)) return false;
        const wasOwn = await isOwn();
        const isSaved = await save({ ...format.decode(state), ...part });
        // The rest of the state is that of another process.
        if (!wasOwn) own = undefined;
        return isSaved;
      } catch (err) {
        report('unsaved', { err });
        return false;
      }
    },
  };
}
