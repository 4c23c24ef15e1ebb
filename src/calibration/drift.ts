/** Detects drift of one model version over all keys, by a martingale on records that are far enough apart. */
import { createDriftMartingale } from './martingale';

export type DriftWatch = ReturnType<typeof createDriftWatch>;

interface DriftOptions {
  /** Least mean number of records, over all keys, per false start. */
  recordsPerFalseStart: number;
  /** Uses one in this many records of a key: bets on records that depend on each other are not fair. */
  independentAfter: number;
  /** Records in the calibration of the model version. */
  calibrationRecords: number;
  /** Uniform on [0, 1). */
  random: () => number;
}

/** With more keys, all counts restart, which only delays the next records. */
const maxKeys = 100_000;

/**
 * Uses one in `independentAfter` records of each key. The bound on false starts holds if these records are exchangeable: keys
 * that change together, or a rhythm longer than the calibration block, count as drift.
 */
export function createDriftWatch(options: DriftOptions) {
  const { independentAfter, calibrationRecords, random } = options;
  const needed = Math.max(2, options.recordsPerFalseStart / independentAfter);
  const martingale = createDriftMartingale(needed, calibrationRecords / independentAfter, random);
  /** By key, number of records since the last one that was used. */
  const waited = new Map<string, number>();
  let active = false;
  return {
    /** @param surprise of the model at the next record of the key, −log10 of its p-value */
    observe(key: string, surprise: number): void {
      if (active) return;
      const since = (waited.get(key) ?? 0) + 1;
      if (waited.size > maxKeys) waited.clear();
      waited.set(key, since >= independentAfter ? 0 : since);
      if (since >= independentAfter) active = martingale.observe(10 ** -surprise);
    },
    /** Whether drift was detected. It stays true until another model version is used. */
    get active() {
      return active;
    },
    /** Logarithm of the evidence, relative to that of the evidence needed, from 0 to 1. */
    get evidenceRatio() {
      return active ? 1 : Math.min(1, Math.log1p(martingale.evidence) / Math.log1p(needed));
    },
  };
}
