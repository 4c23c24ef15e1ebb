/** The window of each key, as raw values, so that a new model version can score them too. */
import {
  createContinuity,
  fillerTime,
  staleness,
  type Continuation,
  type Staleness,
  type TimeRules,
} from './continuity';
import { createDeferral } from './deferred-windows';
import type { Values } from './record';
import { RecencyMap } from './recency';
import { contradictsJump, noteStep, patience, resetRhythm, undoJump } from './rhythm';
import { createSlabs } from './slab';
import { createUnreadRecords } from './unread-records';
import type { WindowBatch, WindowShape } from './window';
import {
  copyWindow,
  createEncodedCopy,
  emptyWindow,
  isEncodedBefore,
  KeyWindow,
  layOutRing,
  pushFiller,
  pushRecord,
} from './window-ring';
import { restoreWindows, takeWindowsSnapshot, type WindowsSnapshot } from './window-snapshot';

export interface WindowLimits extends TimeRules {
  /**
   * Maximum number of keys. A further key takes the window of the one that was silent longest, if that silence is longer than
   * the time of a window of its own; else it waits: if each newcomer took a window, none would ever be full.
   */
  maxKeys: number;
}

/**
 * The record completes a window, does not yet, finds no room for a window of its key, or is not newer than the newest record
 * of its key.
 */
type PushResult = 'ready' | 'not_full' | 'no_room' | Staleness;

/** What happened to windows so far. */
export interface WindowCounts {
  /** Windows that another key took before their time to live had passed. */
  evicted: number;
  /** Windows that a silence above the time to live has cut. */
  expired: number;
  /** Windows that a gap has cut. */
  broken: number;
  /** Times that a record far ahead was dropped, as the next records of its key continue the earlier ones. */
  undone: number;
}

/** Windows that a newcomer looks at, those seen longest ago first. */
const candidates = 8;

/**
 * @param beginning the records before the first one: none, unknown ones, or those of a snapshot
 * @throws RangeError when a snapshot has windows of another shape
 */
export function createWindowStore(
  shape: WindowShape,
  limits: WindowLimits,
  beginning: 'empty' | 'unknown' | WindowsSnapshot = 'empty',
) {
  const { length } = shape;
  const layout = layOutRing(shape);
  const takeMemory = createSlabs(layout.bytes);
  const windows = new RecencyMap<KeyWindow>();
  const continuityOf = createContinuity(limits, length);
  const copyEncoded = createEncodedCopy(shape);
  const deferral = createDeferral(shape);
  const knownFrom = beginning === 'unknown' ? Infinity : -Infinity;
  const unread = createUnreadRecords(
    length + 1,
    limits.ttlMs,
    typeof beginning === 'object' ? beginning.knownFrom : knownFrom,
  );
  const counts: WindowCounts = { evicted: 0, expired: 0, broken: 0, undone: 0 };
  if (typeof beginning === 'object') restoreWindows(beginning, shape, limits.maxKeys, create);

  /** The window of a key, which is now the most recently seen one; undefined if there is no room for it. */
  function see(key: string, timestamp: number): KeyWindow | undefined {
    const window = windows.get(key);
    if (window === undefined) {
      if (windows.size < limits.maxKeys) return create(key);
      const free = takeSilent(timestamp);
      if (free === undefined) return undefined;
      free.key = key;
      return add(free);
    }
    windows.touch(window);
    return window;
  }

  function create(key: string): KeyWindow {
    return add(new KeyWindow(key, shape, layout, takeMemory()));
  }

  function add(window: KeyWindow): KeyWindow {
    windows.add(window);
    return window;
  }

  /** The emptied window of the key that was silent longest, if it can be given away. */
  function takeSilent(timestamp: number): KeyWindow | undefined {
    // Not only the oldest: its clock may be ahead, or its rhythm slow.
    let window = windows.oldest;
    for (let i = 0; i < candidates && window !== undefined && !isSilent(window, timestamp); i++)
      window = i + 1 < candidates ? window.after : undefined;
    if (window === undefined) return undefined;
    const silence = timestamp - window.newest;
    if (silence <= limits.ttlMs) counts.evicted++;
    windows.delete(window);
    emptyWindow(window);
    window.newest = -Infinity;
    window.lacking = length + 1;
    resetRhythm(window);
    return window;
  }

  function isSilent(window: KeyWindow, timestamp: number): boolean {
    // A window of one record is full with the next one, so no key has to wait.
    return length === 1 || timestamp - window.newest > patience(window, length, limits.ttlMs);
  }

  /** Drops the records of a window after a jump that turned out to be an error. */
  function dropJump(window: KeyWindow, timestamp: number): void {
    emptyWindow(window);
    window.newest = window.anchor;
    undoJump(window, timestamp);
    counts.undone++;
  }

  function countCut(newest: number, timestamp: number): void {
    if (newest === -Infinity) return;
    if (timestamp - newest > limits.ttlMs) counts.expired++;
    else counts.broken++;
  }

  /** Prepares the window for a record: restarts it, or fills the gap before the record. */
  function bridge(
    window: KeyWindow,
    continuation: Continuation,
    row: number,
    timestamp: number,
    conditions: Float64Array,
  ): void {
    const { restart, fillers } = continuation;
    const before = window.conditionsAt + ((window.pushed - 1 + length) % length) * shape.conditions;
    if (restart) emptyWindow(window);
    for (let i = 0; i < fillers; i++) {
      const time = fillerTime(continuation, window.newest, timestamp, i);
      deferral.keepRow(window);
      if (restart) pushFiller(window, shape, time, conditions, row * shape.conditions);
      else pushFiller(window, shape, time, window.numbers, before);
    }
  }

  return {
    /** Pushes row `row` of columns shaped as in RecordBatch. */
    push(
      key: string,
      row: number,
      timestamps: Float64Array,
      values: Values,
      conditions: Float64Array,
    ): PushResult {
      const timestamp = timestamps[row]!;
      const window = see(key, timestamp);
      if (window === undefined) return 'no_room';
      const stale = staleness(window.newest, timestamp);
      if (stale !== undefined) {
        if (!contradictsJump(window, window.newest, timestamp)) return stale;
        dropJump(window, timestamp);
      }
      const { newest } = window;
      if (newest !== -Infinity) noteStep(window, newest, timestamp - newest, length);
      const continuation = continuityOf(window.newest, timestamp);
      if (window.lacking > 0) window.lacking = unread.after(window.lacking, timestamp, continuation);
      if (continuation.restart) countCut(newest, timestamp);
      if (continuation.restart || continuation.fillers > 0)
        bridge(window, continuation, row, timestamp, conditions);
      deferral.keepRow(window);
      pushRecord(window, shape, row, timestamp, values, conditions);
      window.newest = timestamp;
      return window.pushed >= length ? 'ready' : 'not_full';
    },
    /** The window that a record joined last. */
    get latest(): KeyWindow | undefined {
      return windows.latest;
    },
    /**
     * Copies the window of a key that is 'ready' to the end of `batch`, with its encoding if the batch has one. A batch that defers
     * must be filled before the next one.
     */
    copy(key: string, batch: WindowBatch): void {
      const window = windows.get(key)!;
      const place =
        batch.defers && isEncodedBefore(window, length, batch)
          ? deferral.defer(window, batch)
          : copyWindow(window, shape, batch);
      if (batch.encoded !== undefined) copyEncoded(window, batch, batch.encoded, place);
    },
    /** Whether a window of the key can be copied. */
    isFull: (key: string): boolean => (windows.get(key)?.pushed ?? 0) >= length,
    /** Whether the window of a key may lack records before its newest one, which this process has not read; no window lacks none. */
    lacks: (key: string): boolean => (windows.get(key)?.lacking ?? 0) > 1,
    /** As `lacks`, but for windows with counters, whose first rate needs the record before the window. */
    lacksWithCounters: (key: string): boolean => (windows.get(key)?.lacking ?? 0) > 0,
    /** Records may be missing before the next record of each key. */
    interrupt(): void {
      for (const window of windows) window.lacking = length + 1;
      unread.interrupt();
    },
    /** Contents, from which `createWindowStore` continues bit for bit. */
    snapshot: (): WindowsSnapshot => takeWindowsSnapshot([...windows], shape, unread.knownFrom),
    counts: counts as Readonly<WindowCounts>,
    /** Keys. */
    get size() {
      return windows.size;
    },
  };
}
