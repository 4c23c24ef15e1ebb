/**
 * The baseline of the evidence of a device: the median of its recent records, as far as it lies above that of the calibration
 * block. It raises the threshold of the device, not its surprise: order stays as it is. It begins with the calibration block, so
 * that half of its records have to be high before it moves at all, and it is bounded.
 */
import { median } from './evidence';
import type { Part } from './memory';

/** Sampled values of a device: enough for a median, few enough for a fleet. */
const samples = 64;

/** The threshold rises by this many standard deviations of the evidence at most. */
const bound = 2;

/** Stored in the model version. */
export interface BaselineState {
  /** Newest records of a device that its baseline is the median of; 0: there is no baseline. */
  records: number;
  /** Of the evidence in the calibration block. */
  median: number;
  spread: number;
  /** Quantiles of the evidence in the calibration block: the sample of a new device. */
  start: readonly number[];
}

/** @param evidence of the calibration records */
export function fitBaseline(evidence: Float64Array, records: number): BaselineState {
  const sorted = Float64Array.from(evidence).sort();
  const mean = sorted.reduce((sum, value) => sum + value / sorted.length, 0);
  const variance = sorted.reduce((sum, value) => sum + (value - mean) ** 2 / sorted.length, 0);
  // The oldest values leave the sample first, so that their order mixes small and large ones; 37 and 64 have no common divisor.
  const start = Array.from({ length: samples }, (_, i) => {
    const rank = (37 * i) % samples;
    return sorted[Math.floor(((rank + 0.5) / samples) * sorted.length)]!;
  });
  return { records, median: median(sorted), spread: Math.sqrt(variance), start };
}

/** Cells: records observed, the rise, then the sample. */
export interface Baseline extends Part {
  /** How far the baseline of the records so far lies above calibration, ≥ 0. Then adds a record. */
  observe(cells: Float64Array, evidence: number): number;
}

export function createBaseline({ records, median: middle, spread, start }: BaselineState): Baseline {
  const stride = Math.max(1, Math.floor(records / samples));
  const first = 2;
  return {
    size: records === 0 ? 0 : first + samples,
    begin(cells) {
      if (records === 0) return;
      cells.set(start, first);
      cells[1] = clamp(median(cells.slice(first)) - middle, bound * spread);
    },
    observe(cells, evidence) {
      if (records === 0) return 0;
      const rise = cells[1]!;
      const seen = cells[0]!++;
      if (seen % stride === 0 && Number.isFinite(evidence)) {
        cells[first + ((seen / stride) % samples)] = evidence;
        cells[1] = clamp(median(cells.slice(first, first + samples)) - middle, bound * spread);
      }
      return rise;
    },
  };
}

function clamp(rise: number, most: number): number {
  return Math.max(0, Math.min(most, rise));
}
