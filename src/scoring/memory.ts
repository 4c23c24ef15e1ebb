/**
 * The memory that a model version keeps of a device: the level of its channels, its runs of equal values, the means of its newest
 * statistics, its baseline, and the mean of its signed errors. With the window nothing else decides a score.
 */
import { createBaseline } from '../calibration/baseline';
import { createLevel } from '../calibration/level';
import {
  createMemories,
  layOut,
  type Memories,
  type MemoryPolicy,
  type MemorySnapshot,
  type Part,
} from '../calibration/memory';
import { createRecentMeans } from '../calibration/recent-means';
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
  /** @param values raw, the record from index `from` on */
  enter(values: Values, from: number): void;
  /** Writes shift and runs of the record into the window at `place`. */
  recall(batch: WindowBatch, place: number): void;
  /** @param out gets the mean of each over the newest records, from `to` on */
  means(statistics: ArrayLike<number>, out: Float64Array, to: number): void;
  /** How far the baseline lies above calibration; then adds the evidence. */
  rise(evidence: number): number;
  /** The statistic of the slow test, with these errors added. */
  slow(errors: ArrayLike<number>): number;
}

export type DeviceMemories = Memories<DeviceMemory>;

export type MemoryState = Pick<
  VersionState,
  'channels' | 'counters' | 'level' | 'runs' | 'baseline' | 'slow' | 'calibration'
>;

const counter: Part = { size: 1, begin: () => undefined };
const nothing: Part = { size: 0, begin: () => undefined };

/** @returns creates the memories of all devices, those of a snapshot or none */
export function createMemoryFactory(state: MemoryState, scaler: Scaler) {
  const { channels } = scaler;
  const level = state.level && createLevel(state.level);
  const runs = state.runs && createRunLengths(state.runs);
  const means = createRecentMeans(meaned(state.calibration.evidence).length);
  const baseline = createBaseline(state.baseline);
  const slow = state.slow && createSlowTest(state.slow);
  const layout = layOut({
    seen: counter,
    level: level ?? nothing,
    runs: runs ?? nothing,
    means,
    baseline,
    slow: slow ?? nothing,
  });
  const x = new Float64Array(channels);
  const record = new Float64Array(channels);
  /** A record has the count of a counter, not its rate, so that neither its level nor its runs are followed. */
  const isCounter = Array.from(
    { length: channels },
    (_, j) => state.counters?.includes(state.channels[j]!) === true,
  );

  function createDevice(cells: Float64Array, key: string, isNew: boolean): DeviceMemory {
    const own = isNew ? layout.begin(cells, key) : layout.views(cells);
    const shift = new Float32Array(channels);
    const centre = slow?.centreOf(key);
    let isShifted = false;
    let runSurprise = 0;
    return {
      get seen() {
        return own.seen[0]!;
      },
      enter(values, from) {
        own.seen[0]!++;
        for (let j = 0; j < channels; j++) record[j] = isCounter[j] ? NaN : values[from + j]!;
        if (runs !== undefined) runSurprise = runs.step(own.runs, record, 0);
        if (level === undefined) return;
        for (let j = 0; j < channels; j++) {
          const value = record[j]!;
          const scaled = Number.isNaN(value) || !scaler.knows(j) ? NaN : scaler.scale(value, j);
          x[j] = Number.isFinite(scaled) ? scaled : NaN;
        }
        isShifted = level.step(own.level, x, shift, 0);
      },
      recall(batch, place) {
        batch.recalled.runs[place] = runSurprise;
        if (isShifted) setShift(batch, place, shift);
      },
      means: (statistics, out, to) => means.step(own.means, statistics, out, to),
      rise: (evidence) => baseline.observe(own.baseline, evidence),
      slow: (errors) => slow?.step(own.slow, errors, centre!) ?? 0,
    };
  }

  return (policy: MemoryPolicy, snapshot?: MemorySnapshot): DeviceMemories =>
    createMemories(layout.size, createDevice, policy, snapshot);
}
