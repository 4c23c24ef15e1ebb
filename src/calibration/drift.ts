/** The drift of one model version, over all keys: a martingale on records that are far enough apart. */
import { createDriftMartingale } from './martingale';

export interface DriftWatch {
  /** Takes the model's surprise at the next record of a key, −log10 of its p-value. */
  observe(key: string, surprise: number): void;
  /** Whether it has spoken. It does not take that back: only another model version starts anew. */
  readonly active: boolean;
  /** How near it is to speaking, from 0 to 1: the logarithm of the evidence in that of what is needed. */
  readonly evidenceRatio: number;
}

export interface DriftOptions {
  /** How many records may come, of all keys and on average, for one false start. */
  recordsPerFalseStart: number;
  /** Records of a key from one that is taken to the next: betting on neighbours that resemble each other is no fair game. */
  independentAfter: number;
  /** Records that the model version was calibrated on. */
  calibrationRecords: number;
  /** Uniform on [0, 1). */
  random: () => number;
}

/** Keys that are counted at once; with more all begin to count anew, which only makes the next ones wait. */
const maxKeys = 100_000;

/**
 * Takes one in `independentAfter` records of each key. The bound on false starts holds as far as those are exchangeable:
 * keys that move together, or a rhythm longer than the calibration block, are seen as drift.
 */
export function createDriftWatch(options: DriftOptions): DriftWatch {
  const { independentAfter, calibrationRecords, random } = options;
  const needed = Math.max(2, options.recordsPerFalseStart / independentAfter);
  const martingale = createDriftMartingale(needed, calibrationRecords / independentAfter, random);
  /** Records since the last one that was taken, by key. */
  const waited = new Map<string, number>();
  let active = false;
  return {
    observe(key, surprise) {
      if (active) return;
      const since = (waited.get(key) ?? 0) + 1;
      if (waited.size > maxKeys) waited.clear();
      waited.set(key, since >= independentAfter ? 0 : since);
      if (since >= independentAfter) active = martingale.observe(10 ** -surprise);
    },
    get active() {
      return active;
    },
    get evidenceRatio() {
      return active ? 1 : Math.min(1, Math.log1p(martingale.evidence) / Math.log1p(needed));
    },
  };
}
