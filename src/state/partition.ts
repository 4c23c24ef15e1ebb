/**
 * What is remembered of partitions: the windows, levels and events of their devices. With the record itself and the model
 * that is all a verdict rests on, and it follows from the records of the partition before it alone. So it is kept as
 * strictly as offsets are: what is stored is never ahead of what the source has committed, and what lies between the two
 * is read again after a start and taken in as it was the first time.
 */
import type { DeviceBaselines, BaselinePolicy, Baselines } from '../calibration/baseline';
import type { DetectorSettings } from '../config/settings';
import type { CategoryTable } from '../domain/condition';
import { createEventTracker, type AnomalyEvent, type EventPolicy, type EventTracker } from '../domain/event';
import { createWindowStore, type WindowLimits, type WindowShape, type WindowStore } from '../domain/window';
import { windowFingerprint } from '../config/fingerprint';
import { createSnapshotFormat, type BaselinesStart, type PartitionSnapshot } from './snapshot';
import type { Detector } from '../scoring/detector';
import type { Assignment, Batch } from '../sources/source';
import type { StateStore } from './store';

/** What can go wrong with it: none of it stops scoring, all of it may change what is said after a start. */
export const stateErrorReasons = [
  'unreadable',
  'unsaved',
  'records_missing',
  'ahead',
  'too_old',
  'other_settings',
] as const;
export type StateErrorReason = (typeof stateErrorReasons)[number];

export interface StateRules {
  shape: WindowShape;
  windows: WindowLimits;
  events: EventPolicy;
  /** How levels are followed; without it they are not. */
  baselines?: BaselinePolicy | undefined;
  /** For each given condition, whether it is a category. */
  categories: readonly boolean[];
  table: CategoryTable;
  /** Without it all is forgotten when the process ends. */
  store?: StateStore | undefined;
  /** Of the settings that windows rest on: what was stored under others is not used. */
  fingerprint: string;
  /** Least number of offsets between two saves of a partition; default 10,000. */
  saveEvery?: number;
  /** Offsets between what is remembered and the next record that are read again at most; default a million. */
  maxReplay?: number;
  onError?: (problem: StateErrorReason, fields: Record<string, unknown>) => void;
}

/** What the configuration says of it. */
export function stateRules(
  settings: DetectorSettings,
  { shape, categories, table }: Pick<StateRules, 'shape' | 'categories' | 'table'>,
): StateRules {
  const { window, events, calibration, source } = settings;
  const { baselineRecords: records } = calibration;
  return {
    shape,
    windows: window,
    events,
    baselines: records === 0 ? undefined : { records, maxKeys: window.maxKeys },
    categories,
    table,
    // Another group is in another place, and may have begun in another one.
    fingerprint: `${windowFingerprint(settings)} ${source.kind === 'kafka' ? source.kafka.groupId : ''}`,
  };
}

/** All partitions of a detector in this process. */
export interface PartitionStates {
  of(topic: string, partition: number): PartitionState;
  /** Forgets the other partitions of the topic: someone else moves on in them. */
  keepOnly(topic: string, partitions: readonly number[]): void;
  readonly partitions: readonly PartitionState[];
  openEvents(): AnomalyEvent[];
  /** Closes what is open, when no more records are to come. */
  closeEvents(): AnomalyEvent[];
}

export interface PartitionState {
  readonly windows: WindowStore;
  readonly events: EventTracker;
  /**
   * Which offset reading can go on behind: the last one in what is remembered, here or in the store, of those before
   * `liveFrom`. Undefined when there is none that could be used. Never rejects.
   */
  restorePoint(liveFrom: bigint): Promise<bigint | undefined>;
  /** Goes on from what was offered, or begins anew; returns whether it is what was here all the time. */
  assign(assignment: Assignment): boolean;
  /** Before a batch is assessed: begins with levels of a new version, saves what is due. */
  prepare(batch: Batch, detector: Detector): Promise<void>;
  /** Messages before the next one are gone. */
  interrupt(): void;
  /** Whether the message at `offset` has been taken in. */
  hasProcessed(offset: bigint): boolean;
  /** Whether warmUps have to be scored, since events and levels lack them. */
  readonly rescores: boolean;
  /** Whether records are scored by the levels of their devices. */
  readonly followsBaselines: boolean;
  /** Of a device, while the message at `offset` is scored; undefined for a message before they begin. */
  baselinesOf(key: string, offset: bigint): DeviceBaselines | undefined;
  /** Whether the levels of a device may not be what they would be if nothing had been interrupted. */
  lacksBaselines(key: string): boolean;
  /** Messages up to `offset` have been taken in. */
  advance(offset: bigint): void;
  /** To be called when all is out that came of what has been taken in so far. */
  settlement(): () => void;
}

/** Read again in a second or so, and rare enough that writing costs nothing beside scoring. */
const defaultSaveEvery = 10_000;

/** A save takes as long as there are devices: each is to have had some records since the last one. */
const recordsPerDevice = 20;

/** Some minutes of scoring. */
const defaultMaxReplay = 1_000_000;

/** Before every offset, those of histories that are numbered backwards included. */
const beforeAll = -(2n ** 63n);

export function createPartitionStates(rules: StateRules): PartitionStates {
  const partitions = new Map<string, { topic: string; partition: number; state: PartitionState }>();
  const all = () => [...partitions.values()].map(({ state }) => state);
  return {
    of(topic, partition) {
      const id = `${topic}/${partition}`;
      let known = partitions.get(id);
      if (known === undefined) {
        known = { topic, partition, state: createPartitionState(topic, partition, rules) };
        partitions.set(id, known);
      }
      return known.state;
    },
    keepOnly(topic, kept) {
      for (const [id, known] of partitions)
        if (known.topic === topic && !kept.includes(known.partition)) partitions.delete(id);
    },
    get partitions() {
      return all();
    },
    openEvents: () => all().flatMap(({ events }) => events.openEvents()),
    closeEvents: () => all().flatMap(({ events }) => events.closeAll()),
  };
}

interface Held {
  windows: WindowStore;
  events: EventTracker;
  /** As they were stored, until the version that they are of is known to be the one that scores. */
  stored: BaselinesStart | undefined;
  baselines: (Omit<BaselinesStart, 'devices'> & { baselines: Baselines }) | undefined;
  /** Records before the first one that was read here have been scored by someone. */
  lost: boolean;
  /** Offset of the last message that is in it. */
  to: bigint;
}

/** What has to be written before anything else is: where a partition, or a version in it, has begun. */
type Owed = { begun: PartitionSnapshot } | 'baselines';

function createPartitionState(topic: string, partition: number, rules: StateRules): PartitionState {
  const { baselines: policy, store, saveEvery = defaultSaveEvery, maxReplay = defaultMaxReplay } = rules;
  const format = createSnapshotFormat(rules);
  let held: Held = beginning(false, beforeAll);
  /** As `held.to`, but of messages whose verdicts are out. */
  let settledTo = beforeAll;
  let offered: Held | undefined;
  let assignment: Assignment | undefined;
  /** Taken, and not yet written, because the source has not committed that far. */
  let waiting: PartitionSnapshot | undefined;
  let takenAt = beforeAll;
  let owed: Owed | undefined;

  function report(problem: StateErrorReason, fields: Record<string, unknown> = {}): void {
    rules.onError?.(problem, { topic, partition, ...fields });
  }

  function beginning(lost: boolean, to: bigint): Held {
    return {
      windows: createWindowStore(rules.shape, rules.windows, lost ? 'unknown' : 'empty'),
      events: createEventTracker(rules.events),
      stored: undefined,
      baselines: undefined,
      lost,
      to,
    };
  }

  function take({ windows, events, baselines, stored, lost, to }: Held): PartitionSnapshot {
    return {
      offset: to,
      lost,
      windows: windows.snapshot(),
      events: events.snapshot(),
      baselines:
        baselines === undefined
          ? stored
          : {
              version: baselines.version,
              from: baselines.from,
              anew: baselines.anew,
              devices: baselines.baselines.snapshot(),
            },
    };
  }

  /** What is stored, if a partition can go on from it at `liveFrom`. */
  async function load(liveFrom: bigint): Promise<Held | undefined> {
    try {
      const state = await store?.load(topic, partition);
      if (state === undefined) return undefined;
      const known = { offset: String(state.offset), liveFrom: String(liveFrom) };
      if (!format.isOfTheseSettings(state)) report('other_settings');
      else if (state.offset >= liveFrom) report('ahead', known);
      else if (isTooOld(state.offset, liveFrom)) report('too_old', known);
      else {
        const { offset, lost, windows, events, baselines } = format.decode(state);
        return {
          windows: createWindowStore(rules.shape, rules.windows, windows),
          events: createEventTracker(rules.events, events),
          stored: baselines,
          baselines: undefined,
          lost,
          to: offset,
        };
      }
    } catch (err) {
      report('unreadable', { err });
    }
    return undefined;
  }

  function isTooOld(offset: bigint, liveFrom: bigint): boolean {
    return liveFrom - offset > BigInt(maxReplay);
  }

  /** Whether it is on the disk. */
  async function save(snapshot: PartitionSnapshot): Promise<boolean> {
    try {
      await store?.save(topic, partition, format.encode(snapshot));
      return true;
    } catch (err) {
      report('unsaved', { err });
      return false;
    }
  }

  function follow(detector: Detector, batch: Batch): void {
    const { version } = detector;
    const { stored } = held;
    held.stored = undefined;
    if (stored?.version === version) {
      try {
        held.baselines = { ...stored, baselines: detector.createBaselines(policy!, stored.devices) };
        return;
      } catch (err) {
        report('unreadable', { err });
        startBaselines(detector, batch, true);
        return;
      }
    }
    // Those of another version are not lost: it is this one that begins.
    startBaselines(detector, batch, stored === undefined && held.baselines === undefined && held.lost);
  }

  /** At the level of calibration, from the next live message on. */
  function startBaselines(detector: Detector, batch: Batch, anew: boolean): void {
    held.baselines = undefined;
    const firstLive = batch.messages.find(({ warmUp }) => !warmUp)?.origin.offset;
    const liveFrom = assignment?.liveFrom ?? (firstLive === undefined ? undefined : BigInt(firstLive));
    if (liveFrom === undefined) return;
    const from = held.to >= liveFrom ? held.to : liveFrom - 1n;
    const { version } = detector;
    const begun: BaselinesStart = { version, from, anew, devices: [] };
    held.baselines = { ...begun, baselines: detector.createBaselines(policy!) };
    if (waiting !== undefined) waiting = { ...waiting, baselines: begun };
    if (typeof owed === 'object') owed = { begun: { ...owed.begun, baselines: begun } };
    else {
      owed = 'baselines';
      // What another version has said of the records before it is better not said again by this one: saved soon.
      takenAt = beforeAll;
    }
  }

  async function saveOwed(): Promise<void> {
    if (store === undefined) owed = undefined;
    if (owed === undefined) return;
    const snapshot = owed === 'baselines' ? await withBaselines() : owed.begun;
    if (snapshot !== undefined && (await save(snapshot))) owed = undefined;
  }

  /** What is stored, with the levels that have begun; undefined where nothing is. */
  async function withBaselines(): Promise<PartitionSnapshot | undefined> {
    const { baselines } = held;
    try {
      const state = await store?.load(topic, partition);
      if (state === undefined || baselines === undefined || !format.isOfTheseSettings(state))
        return undefined;
      const { version, from, anew } = baselines;
      return { ...format.decode(state), baselines: { version, from, anew, devices: [] } };
    } catch (err) {
      report('unsaved', { err });
      return undefined;
    }
  }

  async function saveWhenDue(committed: bigint): Promise<void> {
    const devices = Math.max(held.windows.size, held.baselines?.baselines.size ?? 0);
    const due = BigInt(Math.max(saveEvery, recordsPerDevice * devices));
    if (waiting === undefined && held.to - takenAt >= due) {
      waiting = take(held);
      takenAt = held.to;
    }
    if (waiting === undefined || waiting.offset >= committed) return;
    const snapshot = waiting;
    waiting = undefined;
    if (await save(snapshot)) owed = undefined;
  }

  return {
    get windows() {
      return held.windows;
    },
    get events() {
      return held.events;
    },
    async restorePoint(liveFrom) {
      offered = undefined;
      // What is ahead is of a batch that was refused: good only where that batch comes next.
      const isWhole = held.to === settledTo || settledTo + 1n === liveFrom;
      const here = isWhole && settledTo < liveFrom && !isTooOld(settledTo, liveFrom) ? settledTo : undefined;
      if (here === liveFrom - 1n) return here;
      const stored = await load(liveFrom);
      if (stored === undefined || (here !== undefined && here >= stored.to)) return here;
      offered = stored;
      return stored.to;
    },
    assign(next) {
      const { from, after, processedBefore } = (assignment = next);
      const keeps = after !== undefined && after === settledTo;
      if (!keeps) {
        const restored = offered?.to === after ? offered : undefined;
        held = restored ?? beginning(processedBefore && from > 0n, from - 1n);
        settledTo = takenAt = held.to;
        waiting = undefined;
        owed = restored === undefined ? { begun: take(held) } : undefined;
      }
      offered = undefined;
      if (after !== undefined && from > after + 1n) {
        report('records_missing', { offset: String(after), readFrom: String(from) });
        held.windows.interrupt();
      }
      return keeps;
    },
    async prepare(batch, detector) {
      if (policy !== undefined && held.baselines?.version !== detector.version) follow(detector, batch);
      await saveOwed();
      if (store !== undefined && batch.committed !== undefined) await saveWhenDue(batch.committed);
    },
    interrupt() {
      report('records_missing', { offset: String(held.to) });
      held.windows.interrupt();
    },
    hasProcessed: (offset) => offset <= held.to,
    get rescores() {
      return assignment?.after !== undefined;
    },
    get followsBaselines() {
      return held.baselines !== undefined;
    },
    baselinesOf(key, offset) {
      const { baselines } = held;
      return baselines === undefined || offset <= baselines.from ? undefined : baselines.baselines.of(key);
    },
    lacksBaselines: (key) =>
      held.baselines?.anew === true && held.baselines.baselines.seen(key) <= policy!.records,
    advance(offset) {
      if (offset > held.to) held.to = offset;
    },
    settlement() {
      const of = held;
      const { to } = held;
      return () => {
        // Nothing is settled by what was written for a partition that has begun anew since.
        if (of === held && to > settledTo) settledTo = to;
      };
    },
  };
}
