/**
 * The memory that a model version keeps of a device: the level of its channels, its runs of equal values, the means of its newest
 * statistics, its baseline, the means of its signed errors, and the context of its channels. With the window nothing else decides a score.
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

/** One device. Call `enter` for each of its records, in order, then, if its window is full, `recall` and the others once. */
export interface DeviceMemory {
  /** Records entered. */
  readonly seen: number;
  /**
   * @param values raw, the record from index `from` on
   * @param time event time, Unix ms
   */
  enter(values: Values, from: number, time: number): void;
  /** Channels with a new normal from the record after the last one on. */
  readonly newNormal: readonly string[];
  /** Writes shift and runs of the record into the window at `place`. */
  recall(batch: WindowBatch, place: number): void;
  /** @param out gets the mean of each over the newest records, from `to` on */
  means(statistics: ArrayLike<number>, out: Float64Array, to: number): void;
  /** How far the baseline lies above calibration; then adds the evidence. */
  rise(evidence: number): number;
  /** T² of the mean deviation from the linear sibling, with those added that begin at index `from`. */
  linearMean(deviations: ArrayLike<number>, from: number): number;
  /** The statistic of the slow test, with these errors added. */
  slow(errors: ArrayLike<number>): number;
  /**
   * T² of the record given its context, then adds it; of a version with a context only.
   * @param x scaled, NaN = missing. Shape [channels]
   * @param deviations from the linear sibling, from index `from` on
   * @param rest gets what the context leaves of them
   */
  context(x: Float64Array, deviations: ArrayLike<number>, from: number, rest: Float64Array): number;
  /** Mark of the baseline, for `undo`. */
  mark(): readonly number[];
  /** Most of the newest `records` records are a new normal, from this event time on, Unix ms. */
  accept(records: number, time: number): void;
  /** A new normal since this event time is none: levels go back to where they stood before, the baseline to the mark. */
  undo(since: number, mark: readonly number[]): void;
}

export type DeviceMemories = Memories<DeviceMemory>;

/** The memory of a window's device: its score depends on it, and it stores the statistics. */
export type MemoryOf = (window: number) => DeviceMemory | undefined;

export type MemoryState = Pick<
  VersionState,
  'channels' | 'counters' | 'level' | 'runs' | 'baseline' | 'linearMean' | 'slow' | 'context' | 'calibration'
>;

/** Cell of the number of records that were entered. */
const seenAt = 0;
const none: readonly string[] = [];
const counter: Part = { size: 1, begin: () => undefined };

/** @returns creates the memories of all devices, those of a snapshot or none */
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
  /** A record has the count of a counter, not its rate, so that neither its level nor its runs are followed. */
  const isCounter = Array.from(
    { length: channels },
    (_, j) => state.counters?.includes(state.channels[j]!) === true,
  );

  const isKnown = Array.from({ length: channels }, (_, j) => scaler.knows(j));

  class Device implements DeviceMemory {
    private runSurprise = 0;
    private isShifted = false;
    newNormal: readonly string[] = none;
    /** Exists from the first shift on. */
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
      // All values in one call: a number that a function returns is an object.
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
