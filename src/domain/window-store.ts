/** The window of each key, as raw values, so that every model version can score it. */
import { createContinuity, fillerTime, staleness, type Continuation, type Staleness } from './continuity';
import { createDeferral } from './deferred-windows';
import { KeyWindows, type WindowLimits } from './key-windows';
import type { Values } from './record';
import { contradictsJump, noteStep, undoJump } from './rhythm';
import { createUnreadRecords } from './unread-records';
import type { WindowBatch, WindowShape } from './window';
import {
  copyWindow,
  createEncodedCopy,
  emptyWindow,
  isEncodedBefore,
  pushFiller,
  pushRecord,
  type KeyWindow,
} from './window-ring';
import { restoreWindows, takeWindowsSnapshot, type WindowsSnapshot } from './window-snapshot';

export type { WindowLimits } from './key-windows';

/**
 * `ready`: the record completes a window. `not_full`: it does not yet. `no_room`: there is no window for its key. Otherwise the
 * record is not newer than the newest record of its key.
 */
type PushResult = 'ready' | 'not_full' | 'no_room' | Staleness;

/** Numbers of windows that were lost or cut so far. */
export interface WindowCounts {
  /** Windows that another key took before their time to live had passed. */
  evicted: number;
  /** Windows that were cut by a silence above the time to live. */
  expired: number;
  /** Windows that were cut by a gap. */
  broken: number;
  /** Jumps that were undone: a record far ahead was dropped, as the next records of its key continue the earlier ones. */
  undone: number;
}

/**
 * @param beginning the records before the first one: none, unknown ones, or those of a snapshot
 * @throws RangeError if a snapshot has windows of another shape
 */
export function createWindowStore(
  shape: WindowShape,
  limits: WindowLimits,
  beginning: 'empty' | 'unknown' | WindowsSnapshot = 'empty',
) {
  const { length } = shape;
  const counts: WindowCounts = { evicted: 0, expired: 0, broken: 0, undone: 0 };
  const windows = new KeyWindows(shape, limits, () => counts.evicted++);
  const continuityOf = createContinuity(limits, length);
  const copyEncoded = createEncodedCopy(shape);
  const deferral = createDeferral(shape);
  const knownFrom = beginning === 'unknown' ? Infinity : -Infinity;
  const unread = createUnreadRecords(
    length + 1,
    limits.ttlMs,
    typeof beginning === 'object' ? beginning.knownFrom : knownFrom,
  );
  if (typeof beginning === 'object')
    restoreWindows(beginning, shape, limits.maxKeys, (key) => windows.create(key));

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
      const window = windows.see(key, timestamp);
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
     * Copies the window of a key that is 'ready' to the end of `batch`, with its encoding if the batch has one. A batch with
     * deferred windows must be filled before the next one.
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
    /**
     * Whether the window of a key may lack records before its newest one that this process has not read. False for a key
     * without a window.
     */
    lacks: (key: string): boolean => (windows.get(key)?.lacking ?? 0) > 1,
    /** As `lacks`, but for windows with counters, whose first rate needs the record before the window. */
    lacksWithCounters: (key: string): boolean => (windows.get(key)?.lacking ?? 0) > 0,
    /** Call after a gap in the offsets: records may be missing before the next record of each key. */
    interrupt(): void {
      for (const window of windows) window.lacking = length + 1;
      unread.interrupt();
    },
    /** Contents, from which `createWindowStore` continues bit for bit. */
    snapshot: (): WindowsSnapshot => takeWindowsSnapshot([...windows], shape, unread.knownFrom),
    counts: counts as Readonly<WindowCounts>,
    /** Number of keys. */
    get size() {
      return windows.size;
    },
  };
}
