/**
 * The memory that a model version keeps of a device: the level of its channels, its runs of equal values, the means of its
 * newest statistics, its baseline, the means of its signed errors, and the context of its channels. A score depends only on
 * this memory and the window.
 */
import { createBaseline } from '../calibration/baseline';
import { createContext } from '../calibration/context';
import { createLevel } from '../calibration/level';
import {
  createLayout,
  createMemories,
  type Memories,
  type MemoryPolicy,
  type MemorySnapshot,
  type Part,
} from '../calibration/memory';
import { createMeanChart } from '../calibration/mean-chart';
import { createRecentMeans, meanRecords } from '../calibration/recent-means';
import { createRunLengths } from '../calibration/run-lengths';
import { createSlowTest } from '../calibration/slow-test';
import type { Values } from '../domain/record';
import type { Scaler } from '../domain/scaler';
import { setShift, type WindowBatch } from '../domain/window';
import { meaned } from './statistics';
import type { VersionState } from './version-state';

/**
 * Memory of one device. Call `enter` for each of its records, in order. If the window is full then, call `recall` and each of
 * the others once.
 */
export interface DeviceMemory {
  /** Number of records entered. */
  readonly seen: number;
  /**
   * @param values as measured; the record begins at index `from`
   * @param time event time, Unix ms
   */
  enter(values: Values, from: number, time: number): void;
  /** Channels whose new normal takes effect after the last record. */
  readonly newNormal: readonly string[];
  /** Writes shift and runs of the record into the window at `place`. */
  recall(batch: WindowBatch, place: number): void;
  /** @param out receives, from `to` on, the mean of each statistic over the newest records */
  means(statistics: ArrayLike<number>, out: Float64Array, to: number): void;
  /** How far the baseline exceeds calibration; then adds the evidence. */
  rise(evidence: number): number;
  /** Adds the deviations that begin at index `from`; returns T² of the mean deviation from the linear sibling. */
  linearMean(deviations: ArrayLike<number>, from: number): number;
  /** Adds errors; returns the statistic of the slow test. */
  slow(errors: ArrayLike<number>): number;
  /**
   * Returns T² of the record given its context, then adds the record; only for a version with a context.
   * @param x scaled, NaN = missing. Shape [channels]
   * @param deviations from the linear sibling, from index `from` on
   * @param rest receives the part of them that the context does not explain
   */
  context(x: Float64Array, deviations: ArrayLike<number>, from: number, rest: Float64Array): number;
  /** A mark of the baseline, for `undo`. */
  mark(): readonly number[];
  /** Accepts the newest `records` records as a new normal, from this event time on, Unix ms. */
  accept(records: number, time: number): void;
  /** Undoes new normals since this event time: levels return to their earlier state, the baseline to the mark. */
  undo(since: number, mark: readonly number[]): void;
}

export type DeviceMemories = Memories<DeviceMemory>;

/** The memory of a window's device, which the score depends on and in which the statistics are stored. */
export type MemoryOf = (window: number) => DeviceMemory | undefined;

export type MemoryState = Pick<
  VersionState,
  'channels' | 'counters' | 'level' | 'runs' | 'baseline' | 'linearMean' | 'slow' | 'context' | 'calibration'
>;

/** Index of the cell with the number of records that were entered. */
const seenAt = 0;
const none: readonly string[] = [];
const counter: Part = { size: 1, begin: () => undefined };

/** @returns a function that creates the memories of all devices, from a snapshot if there is one */
export function createMemoryFactory(state: MemoryState, scaler: Scaler) {
  const { channels } = scaler;
  const { level: levelState, runs: runState, linearMean, slow: slowState, context: contextState } = state;
  const layout = createLayout();
  layout.place(() => counter);
  const level = levelState && layout.place((at) => createLevel(levelState, at));
  const runs = runState && layout.place((at) => createRunLengths(runState, at));
  const means = layout.place((at) => createRecentMeans(meaned(state.calibration.evidence).length, at));
  const baseline = layout.place((at) => createBaseline(state.baseline, at));
  const chart = linearMean && layout.place((at) => createMeanChart(linearMean, meanRecords, at));
  const slow = slowState && layout.place((at) => createSlowTest(slowState, at));
  const context = contextState && layout.place((at) => createContext(contextState, at));
  const noCentre = new Float64Array(channels);
  const x = new Float64Array(channels);
  const record = new Float64Array(channels);
  const shift = new Float32Array(channels);
  /** Records contain the count of a counter, not its rate, so neither level nor runs of counters are followed. */
  const isCounter = Array.from(
    { length: channels },
    (_, j) => state.counters?.includes(state.channels[j]!) === true,
  );

  const isKnown = Array.from({ length: channels }, (_, j) => scaler.knows(j));

  class Device implements DeviceMemory {
    private runSurprise = 0;
    private isShifted = false;
    newNormal: readonly string[] = none;
    /** Created at the first shift. */
    private shift: Float32Array | undefined;
    private readonly centre: Float64Array | undefined;

    constructor(
      private readonly cells: Float64Array,
      key: string,
    ) {
      this.centre = slow?.centreOf(key);
    }

    get seen(): number {
      return this.cells[seenAt]!;
    }

    enter(values: Values, from: number, time: number): void {
      const { cells } = this;
      cells[seenAt]!++;
      for (let j = 0; j < channels; j++) record[j] = isCounter[j] ? NaN : values[from + j]!;
      if (runs !== undefined) this.runSurprise = runs.step(cells, record, 0);
      if (level === undefined) return;
      // One call for all values: a function that returned single numbers would allocate an object for each.
      scaler.scaleRow(record, 0, channels, x, 0);
      for (let j = 0; j < channels; j++)
        if (Number.isNaN(record[j]!) || !isKnown[j] || !Number.isFinite(x[j]!)) x[j] = NaN;
      this.isShifted = level.step(cells, x, time, shift, 0);
      this.newNormal = level.moved.length === 0 ? none : level.moved.map((j) => state.channels[j]!);
      if (this.isShifted) (this.shift ??= new Float32Array(channels)).set(shift);
    }

    recall(batch: WindowBatch, place: number): void {
      batch.recalled.runs[place] = this.runSurprise;
      if (this.isShifted) setShift(batch, place, this.shift!);
    }

    means(statistics: ArrayLike<number>, out: Float64Array, to: number): void {
      means.step(this.cells, statistics, out, to);
    }

    rise(evidence: number): number {
      return baseline.observe(this.cells, evidence);
    }

    linearMean(deviations: ArrayLike<number>, from: number): number {
      return chart?.step(this.cells, deviations, from, noCentre) ?? NaN;
    }

    slow(errors: ArrayLike<number>): number {
      return slow?.step(this.cells, errors, this.centre!) ?? 0;
    }

    context(x: Float64Array, deviations: ArrayLike<number>, from: number, rest: Float64Array): number {
      return context?.step(this.cells, x, 0, deviations, from, rest) ?? NaN;
    }

    mark(): readonly number[] {
      return baseline.mark(this.cells);
    }

    accept(records: number, time: number): void {
      level?.accept(this.cells, records, time);
    }

    undo(since: number, mark: readonly number[]): void {
      level?.undo(this.cells, since);
      baseline.goBack(this.cells, mark);
    }
  }

  function createDevice(cells: Float64Array, key: string, isNew: boolean): DeviceMemory {
    if (isNew) layout.begin(cells, key);
    return new Device(cells, key);
  }

  return (policy: MemoryPolicy, snapshot?: MemorySnapshot): DeviceMemories =>
    createMemories(layout.size, createDevice, policy, snapshot);
}
