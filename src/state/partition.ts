/**
 * State of one partition: the windows, baselines and events of its devices. A detection depends only on this state, the record
 * and the model, and the state depends only on the earlier records of the partition. So it is kept as strictly as offsets: the
 * stored state is never ahead of the committed offset, and the records between the two are processed again after a start.
 */
import type { AnomalyEvent, EventPolicy } from '../domain/event';
import type { Detector } from '../scoring/detector';
import type { Assignment, Batch } from '../sources/source';
import { createRecordedBaselines, type PartitionBaselines } from './baselines';
import {
  createContents,
  decideBy,
  haveSameBaselines,
  followVersion,
  takeSnapshot,
  type Contents,
} from './contents';
import { addLabels, takeLabels } from './pending-labels';
import type { StateErrorReason, StateRules } from './rules';
import { beforeAll, createSaving } from './saving';
import { createStoredPartition } from './stored';

export type PartitionState = ReturnType<typeof createPartitionState>;

/** Number of records that take some minutes to score. */
const defaultMaxReplay = 1_000_000;

export function createPartitionState(topic: string, partition: number, rules: StateRules) {
  const { baselines: policy, recordedBaselines: recorded, store, maxReplay = defaultMaxReplay } = rules;
  const stored = store && createStoredPartition(topic, partition, store, { ...rules, maxReplay }, report);
  const saving = stored && createSaving(stored, rules.saveEvery, maxReplay);
  let contents = createContents(rules, { lost: false, offset: beforeAll });
  /** Offset of the last message whose outcome has been written. */
  let settledTo = beforeAll;
  /** Contents loaded by `restorePoint` for the next assignment. */
  let restored: Contents | undefined;
  let assignment: Assignment | undefined;
  /** Name of the rules by which the newest records were decided. */
  let rulesName: string | undefined;

  function report(reason: StateErrorReason, fields: Record<string, unknown> = {}): void {
    rules.onError?.(reason, { topic, partition, ...fields });
  }

  async function load(liveFrom: bigint): Promise<Contents | undefined> {
    const snapshot = await stored?.load(liveFrom);
    try {
      return snapshot && createContents(rules, snapshot);
    } catch (err) {
      report('unreadable', { err });
      return undefined;
    }
  }

  /**
   * Applies other rules from the next record on. If the source has committed the state up to there, it is saved first, so that
   * after a crash the earlier records are not decided again by the new rules.
   */
  function followRules({ name, events: next }: { name: string; events: EventPolicy }): void {
    if (name === rulesName && contents.policy === next) return;
    if (rulesName !== undefined && name !== rulesName) saving?.change(takeSnapshot(contents));
    rulesName = name;
    decideBy(contents, next, assignment?.partitions ?? 1);
  }

  return {
    topic,
    partition,
    get windows() {
      return contents.windows;
    },
    get events() {
      return contents.events;
    },
    /** Model version of the restored baselines; undefined once a version scores. */
    get restoredVersion(): string | undefined {
      return contents.restoredBaselines?.version;
    },
    /** Undefined if no baselines are followed. */
    get baselines(): PartitionBaselines | undefined {
      const { baselines } = contents;
      if (recorded === undefined || baselines === undefined) return baselines;
      return createRecordedBaselines(baselines, partition, recorded);
    },
    /**
     * The last offset before `liveFrom` that a usable state includes, in memory or in the store. Reading can continue after it.
     */
    async restorePoint(liveFrom: bigint): Promise<bigint | undefined> {
      restored = undefined;
      const inMemory = continuesAfter(contents.to, settledTo, liveFrom, maxReplay);
      if (stored === undefined || (inMemory !== undefined && (await stored.isOwn()))) return inMemory;
      const loaded = await load(liveFrom);
      if (loaded === undefined) return inMemory;
      // Another process may have scored records with a version or labels that this process has not seen. Such a process
      // stores both first.
      const isKnown = haveSameBaselines(contents, loaded) && loaded.labels.every(saving!.hasRecorded);
      if (inMemory !== undefined && inMemory >= loaded.to && isKnown) return inMemory;
      restored = loaded;
      return loaded.to;
    },
    /** Continues after the restore point of the assignment, or starts empty. Returns whether the state in memory is kept. */
    assign(next: Assignment): boolean {
      const { from, after, processedBefore, partitions = 1 } = (assignment = next);
      const isRestored = restored !== undefined && restored.to === after;
      const isKept = !isRestored && after !== undefined && after === settledTo;
      if (!isKept) {
        contents = isRestored
          ? restored!
          : createContents(rules, { lost: processedBefore && from > 0n, offset: from - 1n });
        settledTo = contents.to;
        if (isRestored) {
          stored?.adopt();
          saving?.continue(settledTo, contents.labels);
        } else {
          stored?.leave();
          saving?.begin(takeSnapshot(contents));
        }
      }
      restored = undefined;
      if (after !== undefined && from > after + 1n) {
        report('records_missing', { offset: String(after), readFrom: String(from) });
        contents.windows.interrupt();
      }
      contents.events.divideBudget(partitions);
      return isKept;
    },
    /**
     * Call before a batch is scored: applies rules, begins the baselines of a new version, finds labels, and saves the state if
     * it is due.
     * @param deciding undefined = the rules do not change
     */
    async prepare(
      batch: Batch,
      detector: Detector,
      deciding?: { name: string; events: EventPolicy },
    ): Promise<void> {
      if (deciding !== undefined) followRules(deciding);
      if (policy !== undefined && contents.baselines?.version !== detector.version)
        contents.baselines = followVersion(contents, detector, {
          policy,
          liveFrom: assignment?.liveFrom ?? firstLiveOffset(batch),
          onBegin: (start) => saving?.beginBaselines(start),
          onUnreadable: (err) => report('unreadable', { err }),
        });
      // Warm-up records were scored before, and their labels are recorded in the state.
      if (batch.messages[0]?.warmUp === false)
        await addLabels(contents, rules, async (found) => saving?.recordLabels(found));
      const { windows, baselines, to } = contents;
      const devices = Math.max(windows.size, baselines?.size ?? 0);
      await saving?.saveDue({ to, devices, take: () => takeSnapshot(contents) }, batch.committed);
    },
    /** Saves the state before the partition is released, if the source has committed all processed messages. */
    async save(committed: bigint): Promise<void> {
      const isSettled = contents.to === settledTo && contents.to < committed;
      // If another process has stored a state since, it is that of a later owner and must stay.
      if (isSettled && (await stored?.isOwn()) === true)
        await saving!.saveNow({ to: contents.to, take: () => takeSnapshot(contents) });
    },
    /** Call when the messages before the next one are missing. */
    interrupt(): void {
      report('records_missing', { offset: String(contents.to) });
      contents.windows.interrupt();
    },
    /** Offsets of the records after which labels take effect. */
    labelledAfter: (): readonly bigint[] => contents.labels.map(({ after }) => after),
    /** Applies the labels before the record at `offset`. Returns the events that end by them. */
    takeLabels: (offset: bigint): readonly AnomalyEvent[] => takeLabels(contents, offset),
    hasProcessed: (offset: bigint): boolean => offset <= contents.to,
    /** Whether warm-up records must be scored, because events and baselines lack them. */
    get rescores() {
      return assignment?.after !== undefined;
    },
    /** Marks all messages up to `offset` as processed. */
    advance(offset: bigint): void {
      if (offset > contents.to) contents.to = offset;
    },
    /** Returns a function to call once the outcome of all messages processed so far is written. */
    settlement(): () => void {
      const processed = contents;
      const { to } = contents;
      return () => {
        // Ignored if other contents have replaced these since.
        if (processed === contents && to > settledTo) settledTo = to;
      };
    },
  };
}

function firstLiveOffset({ messages }: Batch): bigint | undefined {
  const first = messages.find(({ warmUp }) => !warmUp);
  return first && BigInt(first.origin.offset);
}

/** Offset after which reading can continue with the state in memory; undefined if it cannot. */
function continuesAfter(
  processedTo: bigint,
  settledTo: bigint,
  liveFrom: bigint,
  maxReplay: number,
): bigint | undefined {
  // Processed but unsettled messages belong to a rejected batch: the state is usable only if that batch comes next.
  const isSettled = processedTo === settledTo || settledTo + 1n === liveFrom;
  const isRecent = settledTo < liveFrom && liveFrom - settledTo <= BigInt(maxReplay);
  return isSettled && isRecent ? settledTo : undefined;
}
