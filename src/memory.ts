/**
 * What is remembered of partitions: the windows, levels and events of their devices. With the record itself and the model
 * that is all a verdict rests on, and it follows from the records of the partition before it alone. So it is kept as
 * strictly as offsets are: what is stored is never ahead of what the source has committed, and what lies between the two
 * is read again after a start and taken in as it was the first time.
 */
import type { DeviceLevels, LevelPolicy, Levels } from './calibration/level';
import type { DetectorSettings } from './config/settings';
import type { CategoryTable } from './domain/condition';
import { createEventTracker, type AnomalyEvent, type EventPolicy, type EventTracker } from './domain/event';
import { createWindowStore, type WindowLimits, type WindowShape, type WindowStore } from './domain/window';
import { windowFingerprint, type Intake } from './intake';
import { createSnapshotFormat, type LevelsBeginning, type MemorySnapshot } from './memory-snapshot';
import type { Detector } from './scoring/detector';
import type { Assignment, Batch } from './sources/source';
import type { StateStore } from './store/state-store';

/** What can go wrong with it: none of it stops scoring, all of it may change what is said after a start. */
export const memoryProblems = [
  'unreadable',
  'unsaved',
  'records_missing',
  'ahead',
  'too_old',
  'other_settings',
] as const;
export type MemoryProblem = (typeof memoryProblems)[number];

export interface MemoryRules {
  shape: WindowShape;
  windows: WindowLimits;
  events: EventPolicy;
  /** How levels are followed; without it they are not. */
  levels?: LevelPolicy | undefined;
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
  onProblem?: (problem: MemoryProblem, fields: Record<string, unknown>) => void;
}

/** What the configuration says of it. */
export function memoryRules(settings: DetectorSettings, { shape, categories, table }: Intake): MemoryRules {
  const { window, events, calibration, source } = settings;
  const { levelRecords: records } = calibration;
  return {
    shape,
    windows: window,
    events,
    levels: records === 0 ? undefined : { records, maxKeys: window.maxKeys },
    categories,
    table,
    // Another group is in another place, and may have begun in another one.
    fingerprint: `${windowFingerprint(settings)} ${source.kafka.groupId}`,
  };
}

/** All partitions of a detector in this process. */
export interface Memory {
  of(topic: string, partition: number): PartitionMemory;
  /** Forgets the other partitions of the topic: someone else moves on in them. */
  keepOnly(topic: string, partitions: readonly number[]): void;
  readonly partitions: readonly PartitionMemory[];
  openEvents(): AnomalyEvent[];
  /** Closes what is open, when no more records are to come. */
  closeEvents(): AnomalyEvent[];
}

export interface PartitionMemory {
  readonly windows: WindowStore;
  readonly events: EventTracker;
  /**
   * Which offset reading can go on behind: the last one in what is remembered, here or in the store, of those before
   * `liveFrom`. Undefined when there is none that could be used. Never rejects.
   */
  offer(liveFrom: bigint): Promise<bigint | undefined>;
  /** Goes on from what was offered, or begins anew; returns whether it is what was here all the time. */
  resume(assignment: Assignment): boolean;
  /** Before a batch is assessed: begins with levels of a new version, saves what is due. */
  prepare(batch: Batch, detector: Detector): Promise<void>;
  /** Messages before the next one are gone. */
  interrupt(): void;
  /** Whether the message at `offset` has been taken in. */
  holds(offset: bigint): boolean;
  /** Whether refills have to be scored, since events and levels lack them. */
  readonly rescores: boolean;
  /** Whether records are scored by the levels of their devices. */
  readonly followsLevels: boolean;
  /** Of a device, while the message at `offset` is scored; undefined for a message before they begin. */
  levelsOf(key: string, offset: bigint): DeviceLevels | undefined;
  /** Whether the levels of a device may not be what they would be if nothing had been interrupted. */
  lacksLevels(key: string): boolean;
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

export function createMemory(rules: MemoryRules): Memory {
  const partitions = new Map<string, { topic: string; partition: number; memory: PartitionMemory }>();
  const all = () => [...partitions.values()].map(({ memory }) => memory);
  return {
    of(topic, partition) {
      const id = `${topic}/${partition}`;
      let known = partitions.get(id);
      if (known === undefined) {
        known = { topic, partition, memory: createPartitionMemory(topic, partition, rules) };
        partitions.set(id, known);
      }
      return known.memory;
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
  stored: LevelsBeginning | undefined;
  levels: (Omit<LevelsBeginning, 'devices'> & { levels: Levels }) | undefined;
  /** Records before the first one that was read here have been scored by someone. */
  lost: boolean;
  /** Offset of the last message that is in it. */
  to: bigint;
}

/** What has to be written before anything else is: where a partition, or a version in it, has begun. */
type Owed = { begun: MemorySnapshot } | 'levels';

function createPartitionMemory(topic: string, partition: number, rules: MemoryRules): PartitionMemory {
  const { levels: policy, store, saveEvery = defaultSaveEvery, maxReplay = defaultMaxReplay } = rules;
  const format = createSnapshotFormat(rules);
  let held: Held = beginning(false, beforeAll);
  /** As `held.to`, but of messages whose verdicts are out. */
  let settledTo = beforeAll;
  let offered: Held | undefined;
  let assignment: Assignment | undefined;
  /** Taken, and not yet written, because the source has not committed that far. */
  let waiting: MemorySnapshot | undefined;
  let takenAt = beforeAll;
  let owed: Owed | undefined;

  function report(problem: MemoryProblem, fields: Record<string, unknown> = {}): void {
    rules.onProblem?.(problem, { topic, partition, ...fields });
  }

  function beginning(lost: boolean, to: bigint): Held {
    return {
      windows: createWindowStore(rules.shape, rules.windows, lost ? 'unknown' : 'empty'),
      events: createEventTracker(rules.events),
      stored: undefined,
      levels: undefined,
      lost,
      to,
    };
  }

  function take({ windows, events, levels, stored, lost, to }: Held): MemorySnapshot {
    return {
      offset: to,
      lost,
      windows: windows.snapshot(),
      events: events.snapshot(),
      levels:
        levels === undefined
          ? stored
          : {
              version: levels.version,
              from: levels.from,
              anew: levels.anew,
              devices: levels.levels.snapshot(),
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
        const { offset, lost, windows, events, levels } = format.decode(state);
        return {
          windows: createWindowStore(rules.shape, rules.windows, windows),
          events: createEventTracker(rules.events, events),
          stored: levels,
          levels: undefined,
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
  async function save(snapshot: MemorySnapshot): Promise<boolean> {
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
        held.levels = { ...stored, levels: detector.createLevels(policy!, stored.devices) };
        return;
      } catch (err) {
        report('unreadable', { err });
        beginLevels(detector, batch, true);
        return;
      }
    }
    // Those of another version are not lost: it is this one that begins.
    beginLevels(detector, batch, stored === undefined && held.levels === undefined && held.lost);
  }

  /** At the level of calibration, from the next live message on. */
  function beginLevels(detector: Detector, batch: Batch, anew: boolean): void {
    held.levels = undefined;
    const firstLive = batch.messages.find(({ refill }) => !refill)?.origin.offset;
    const liveFrom = assignment?.liveFrom ?? (firstLive === undefined ? undefined : BigInt(firstLive));
    if (liveFrom === undefined) return;
    const from = held.to >= liveFrom ? held.to : liveFrom - 1n;
    const { version } = detector;
    const begun: LevelsBeginning = { version, from, anew, devices: [] };
    held.levels = { ...begun, levels: detector.createLevels(policy!) };
    if (waiting !== undefined) waiting = { ...waiting, levels: begun };
    if (typeof owed === 'object') owed = { begun: { ...owed.begun, levels: begun } };
    else {
      owed = 'levels';
      // What another version has said of the records before it is better not said again by this one: saved soon.
      takenAt = beforeAll;
    }
  }

  async function saveOwed(): Promise<void> {
    if (store === undefined) owed = undefined;
    if (owed === undefined) return;
    const snapshot = owed === 'levels' ? await withLevels() : owed.begun;
    if (snapshot !== undefined && (await save(snapshot))) owed = undefined;
  }

  /** What is stored, with the levels that have begun; undefined where nothing is. */
  async function withLevels(): Promise<MemorySnapshot | undefined> {
    const { levels } = held;
    try {
      const state = await store?.load(topic, partition);
      if (state === undefined || levels === undefined || !format.isOfTheseSettings(state)) return undefined;
      const { version, from, anew } = levels;
      return { ...format.decode(state), levels: { version, from, anew, devices: [] } };
    } catch (err) {
      report('unsaved', { err });
      return undefined;
    }
  }

  async function saveWhenDue(committed: bigint): Promise<void> {
    const devices = Math.max(held.windows.size, held.levels?.levels.size ?? 0);
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
    async offer(liveFrom) {
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
    resume(next) {
      const { from, after, begun } = (assignment = next);
      const keeps = after !== undefined && after === settledTo;
      if (!keeps) {
        const restored = offered?.to === after ? offered : undefined;
        held = restored ?? beginning(begun && from > 0n, from - 1n);
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
      if (policy !== undefined && held.levels?.version !== detector.version) follow(detector, batch);
      await saveOwed();
      if (store !== undefined && batch.committed !== undefined) await saveWhenDue(batch.committed);
    },
    interrupt() {
      report('records_missing', { offset: String(held.to) });
      held.windows.interrupt();
    },
    holds: (offset) => offset <= held.to,
    get rescores() {
      return assignment?.after !== undefined;
    },
    get followsLevels() {
      return held.levels !== undefined;
    },
    levelsOf(key, offset) {
      const { levels } = held;
      return levels === undefined || offset <= levels.from ? undefined : levels.levels.of(key);
    },
    lacksLevels: (key) => held.levels?.anew === true && held.levels.levels.seen(key) <= policy!.records,
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
