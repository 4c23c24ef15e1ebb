/**
 * Windows to score whose raw records are copied only on request: a model reads encoded records, and only anomalous windows need
 * the raw ones. Later records overwrite rows of the rings; those rows are kept until every batch that may need them has ended.
 */
import type { DeferredWindows, WindowBatch, WindowShape } from './window';
import { copyRows, type KeyWindow } from './window-ring';

interface Deferred extends DeferredWindows {
  batch: WindowBatch;
  /** Ring of each window of the batch; undefined where all records are copied already. */
  windows: (KeyWindow | undefined)[];
  /** By window of the batch: records in the ring when the window was deferred. */
  pushed: number[];
  since: number[];
}

/** Defers copying the windows of a store, which must fill one batch after the other. */
export function createDeferral(shape: WindowShape) {
  const { length, channels, conditions: given } = shape;
  /** Rows that were overwritten: values, conditions and event time. Shape [rows, width] */
  let rows = new Float64Array();
  const width = channels + given + 1;
  /** Ring of each overwritten row, and the number of the row in it. */
  let rings: KeyWindow[] = [];
  let slots: number[] = [];
  /** Number of earlier overwritten rows that are no longer kept. */
  let dropped = 0;
  /** Batches with deferred windows, in order, with the number of rows that had been overwritten before each batch. */
  const open = new Map<Deferred, number>();
  const idle: Deferred[] = [];

  function begin(batch: WindowBatch): Deferred {
    const deferred = idle.pop() ?? createDeferred(batch);
    deferred.batch = batch;
    open.set(deferred, dropped + rings.length);
    return (batch.deferred = deferred);
  }

  function createDeferred(batch: WindowBatch): Deferred {
    const deferred: Deferred = {
      batch,
      windows: [],
      pushed: [],
      since: [],
      complete(place) {
        const ring = deferred.windows[place];
        if (ring === undefined) return;
        deferred.windows[place] = undefined;
        restore(ring, deferred.pushed[place]!, deferred.since[place]!, deferred.batch, place);
      },
      end() {
        deferred.windows.length = 0;
        deferred.batch.deferred = undefined;
        open.delete(deferred);
        idle.push(deferred);
        const [needed = dropped + rings.length] = open.values();
        drop(needed - dropped);
      },
    };
    return deferred;
  }

  function drop(count: number): void {
    rings = rings.slice(count);
    slots = slots.slice(count);
    rows.copyWithin(0, count * width);
    dropped += count;
  }

  /** Copies the records of a ring as they were. */
  function restore(ring: KeyWindow, pushed: number, since: number, batch: WindowBatch, place: number): void {
    const first = pushed % length;
    copyRows(ring, shape, first, length, batch, place);
    // If several overwritten rows had the same place, the one that was overwritten first belongs to the window.
    for (let i = rings.length - 1; i >= since - dropped; i--) {
      if (rings[i] !== ring) continue;
      const row = place * length + ((slots[i]! - first + length) % length);
      const at = i * width;
      for (let j = 0; j < channels; j++) batch.values[row * channels + j] = rows[at + j]!;
      for (let j = 0; j < given; j++) batch.conditions[row * given + j] = rows[at + channels + j]!;
      batch.timestamps[row] = rows[at + width - 1]!;
    }
  }

  return {
    /** Call before a record is pushed into a ring. */
    keepRow(ring: KeyWindow): void {
      if (open.size === 0) return;
      const { values, valuesAt, numbers, conditionsAt, timestampsAt } = ring;
      const slot = ring.pushed % length;
      const at = rings.length * width;
      if (at === rows.length) {
        const more = new Float64Array(Math.max(1024 * width, 2 * rows.length));
        more.set(rows);
        rows = more;
      }
      rings.push(ring);
      slots.push(slot);
      for (let j = 0; j < channels; j++) rows[at + j] = values[valuesAt + slot * channels + j]!;
      for (let j = 0; j < given; j++) rows[at + channels + j] = numbers[conditionsAt + slot * given + j]!;
      rows[at + width - 1] = numbers[timestampsAt + slot]!;
    },
    /** Adds a full window to a batch, but copies only its newest record. Returns the number of the window in the batch. */
    defer(ring: KeyWindow, batch: WindowBatch): number {
      const deferred = (batch.deferred as Deferred | undefined) ?? begin(batch);
      const place = batch.count++;
      batch.keys[place] = ring.key;
      copyRows(ring, shape, (ring.pushed - 1) % length, 1, batch, place);
      deferred.windows[place] = ring;
      deferred.pushed[place] = ring.pushed;
      deferred.since[place] = dropped + rings.length;
      return place;
    },
  };
}
