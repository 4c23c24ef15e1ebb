/** The window of each key, as raw values, so that a new model version can score them too. */
import {
  createContinuity,
  fillerTime,
  staleness,
  type Continuation,
  type Staleness,
  type TimeRules,
} from './continuity';
import type { Values } from './record';
import { RecencyList } from './recency';
import { createUnreadRecords } from './unread-records';
import type { WindowBatch, WindowShape } from './window';
import { copyWindow, createEncodedCopy, emptyWindow, KeyWindow, pushFiller, pushRecord } from './window-ring';
import { restoreWindows, takeWindowsSnapshot, type WindowsSnapshot } from './window-snapshot';

export interface WindowLimits extends TimeRules {
  /** Maximum number of keys; the least recently seen key is dropped first. */
  maxKeys: number;
}

/** The record completes a window, does not yet, or is not newer than the newest record of its key. */
type PushResult = 'ready' | 'not_full' | Staleness;

export type WindowStore = ReturnType<typeof createWindowStore>;

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
  const windows = new Map<string, KeyWindow>();
  const seen = new RecencyList<KeyWindow>();
  const continuityOf = createContinuity(limits, length);
  const copyEncoded = createEncodedCopy(shape);
  const knownFrom = beginning === 'unknown' ? Infinity : -Infinity;
  const unread = createUnreadRecords(
    length,
    limits.ttlMs,
    typeof beginning === 'object' ? beginning.knownFrom : knownFrom,
  );
  if (typeof beginning === 'object') restoreWindows(beginning, shape, limits.maxKeys, see);

  /** The window of a key, which is now the most recently seen one. */
  function see(key: string): KeyWindow {
    if (seen.latest?.key === key) return seen.latest;
    let window = windows.get(key);
    if (window === undefined) {
      window = windows.size >= limits.maxKeys ? reuse(seen.oldest!, key) : new KeyWindow(key, shape);
      windows.set(key, window);
    } else seen.remove(window);
    seen.append(window);
    return window;
  }

  /** Drops the key of a window, and gives its memory to another key. */
  function reuse(window: KeyWindow, key: string): KeyWindow {
    windows.delete(window.key);
    seen.remove(window);
    emptyWindow(window);
    window.key = key;
    window.newest = -Infinity;
    window.lacking = length;
    return window;
  }

  /** The window of a key that has one. */
  function windowOf(key: string): KeyWindow {
    return seen.latest?.key === key ? seen.latest : windows.get(key)!;
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
    const before = (window.pushed - 1 + length) % length;
    if (restart) emptyWindow(window);
    for (let i = 0; i < fillers; i++) {
      const time = fillerTime(continuation, window.newest, timestamp, i);
      if (restart) pushFiller(window, shape, time, conditions, row);
      else pushFiller(window, shape, time, window.conditions, before);
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
      const window = see(key);
      const timestamp = timestamps[row]!;
      const stale = staleness(window.newest, timestamp);
      if (stale !== undefined) return stale;
      const continuation = continuityOf(window.newest, timestamp);
      if (window.lacking > 0) window.lacking = unread.after(window.lacking, timestamp, continuation);
      if (continuation.restart || continuation.fillers > 0)
        bridge(window, continuation, row, timestamp, conditions);
      pushRecord(window, shape, row, timestamp, values, conditions);
      window.newest = timestamp;
      return window.pushed >= length ? 'ready' : 'not_full';
    },
    /** Copies the window of a key that is 'ready' to the end of `batch`, with its encoding if the batch has one. */
    copy(key: string, batch: WindowBatch): void {
      const window = windowOf(key);
      const place = copyWindow(window, shape, batch);
      if (batch.encoded !== undefined) copyEncoded(window, batch.encoded, place);
    },
    /** Whether the window of a key may lack records before its newest one, which this process has not read. */
    lacks: (key: string): boolean => windowOf(key).lacking > 0,
    /** Records may be missing before the next record of each key. */
    interrupt(): void {
      for (const window of windows.values()) window.lacking = length;
      unread.interrupt();
    },
    /** Contents, from which `createWindowStore` continues bit for bit. */
    snapshot: (): WindowsSnapshot => takeWindowsSnapshot([...seen], shape, unread.knownFrom),
    /** Keys. */
    get size() {
      return windows.size;
    },
  };
}
