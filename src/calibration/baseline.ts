/**
 * The baseline of a device's evidence: the median of its recent records, as far as it exceeds that of the calibration block. It
 * raises the threshold of the device and leaves its surprise and the order of records unchanged. It begins with the calibration
 * block (and there with the rise of the device itself), so half of its records must be high before it moves at all, and it is
 * bounded.
 */
import { median } from './evidence';
import type { Part } from './memory';
import { valueAt } from './rank';

/** Number of sampled values of a device: enough for a median, and small enough for a fleet. */
const samples = 64;

/** The threshold rises by at most this many standard deviations of the evidence. */
const bound = 2;

/** Stored in the model version. */
export interface BaselineState {
  /** Number of newest records whose median is the baseline of a device; 0 = there is no baseline. */
  records: number;
  /** Median of the evidence in the calibration block. */
  median: number;
  spread: number;
  /** Quantiles of the evidence in the calibration block: the sample of a new device. */
  start: readonly number[];
  /** By device, how far its median exceeds that of all records. Devices at or below the common median are absent. */
  devices: Readonly<Record<string, number>>;
}

/** A device with at least this many records in the calibration block has its own median. */
const recordsPerMedian = 100;
/** Maximum number of devices with their own median: those with the highest ones. */
const maxDevices = 1000;

/**
 * @param evidence of the calibration records
 * @param byDevice evidence of the calibration records by device
 */
export function fitBaseline(
  evidence: Float64Array,
  records: number,
  byDevice: ReadonlyMap<string, Float64Array> = new Map(),
): BaselineState {
  const sorted = Float64Array.from(evidence).sort();
  const mean = sorted.reduce((sum, value) => sum + value / sorted.length, 0);
  const variance = sorted.reduce((sum, value) => sum + (value - mean) ** 2 / sorted.length, 0);
  // The oldest values leave the sample first, so their order must mix small and large ones. 37 and 64 have no common divisor.
  const start = Array.from({ length: samples }, (_, i) => {
    const rank = (37 * i) % samples;
    return sorted[Math.floor(((rank + 0.5) / samples) * sorted.length)]!;
  });
  const middle = median(sorted);
  const above = [...byDevice]
    .filter(([, own]) => own.length >= recordsPerMedian)
    .map(([key, own]) => [key, median(own) - middle] as const)
    .filter(([, rise]) => rise > 0)
    .sort(([, a], [, b]) => b - a)
    .slice(0, maxDevices);
  return {
    records,
    median: middle,
    spread: Math.sqrt(variance),
    start,
    devices: Object.fromEntries(byDevice.size > 1 ? above : []),
  };
}

export interface Baseline extends Part {
  /** Returns how far the baseline of the records so far exceeds calibration, ≥ 0; then adds a record. */
  observe(cells: Float64Array, evidence: number): number;
  /** A copy of the cells, to which `goBack` returns. */
  mark(cells: Float64Array): number[];
  /** @param mark of a baseline of the same version; a mark of another version has no effect */
  goBack(cells: Float64Array, mark: readonly number[]): void;
}

/**
 * Cells: number of records observed, the rise, then the sample.
 * @param at index of the first cell
 */
export function createBaseline(state: BaselineState, at = 0): Baseline {
  const { records, median: middle, spread, start } = state;
  const devices = new Map(Object.entries(state.devices));
  const stride = Math.max(1, Math.floor(records / samples));
  const first = at + 2;
  const size = records === 0 ? 0 : 2 + samples;
  const sample = new Float64Array(samples);
  const riseOf = (cells: Float64Array): number => {
    for (let i = 0; i < samples; i++) sample[i] = cells[first + i]!;
    return clamp(valueAt(sample, samples >> 1) - middle, bound * spread);
  };
  return {
    size,
    begin(cells, key) {
      if (records === 0) return;
      const rise = devices.get(key) ?? 0;
      for (let i = 0; i < samples; i++) cells[first + i] = start[i]! + rise;
      cells[at + 1] = riseOf(cells);
    },
    observe(cells, evidence) {
      if (records === 0) return 0;
      const rise = cells[at + 1]!;
      const seen = cells[at]!++;
      if (seen % stride === 0 && Number.isFinite(evidence)) {
        cells[first + ((seen / stride) % samples)] = evidence;
        cells[at + 1] = riseOf(cells);
      }
      return rise;
    },
    mark(cells) {
      const mark = new Array<number>(size);
      for (let i = 0; i < size; i++) mark[i] = cells[at + i]!;
      return mark;
    },
    goBack(cells, mark) {
      if (mark.length === size) cells.set(mark, at);
    },
  };
}

function clamp(rise: number, most: number): number {
  return Math.max(0, Math.min(most, rise));
}
