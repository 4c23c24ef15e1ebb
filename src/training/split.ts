/** The windows of a dataset by their use. */
import type { Dataset } from './dataset';

/** Windows by the row at which they end, in order of time: calibration is newer than everything that was used for training. */
export interface Split {
  fit: Int32Array;
  validation: Int32Array;
  calibration: Int32Array;
}

/** Share of the windows before the calibration block that early stopping uses. */
const validationShare = 0.15;

/**
 * Divides the windows by event time, newest last, and leaves out windows that extend over a cut. If no validation window would
 * remain, because many devices have few records each, those windows are used for validation: it only decides when to stop.
 * @param calibrationShare in (0, 1)
 */
export function splitByTime(dataset: Dataset, calibrationShare: number): Split {
  const { ends, timestamps, shape } = dataset;
  const calibrationFrom = Math.floor(ends.length * (1 - calibrationShare));
  const validationFrom = Math.floor(calibrationFrom * (1 - validationShare));
  /** Windows from index `from` that share no record with earlier ones. Keys may have records at the same time. */
  const after = (from: number, to: number): Int32Array => {
    const cut = timestamps[ends[from - 1]!] ?? -Infinity;
    return ends.subarray(from, to).filter((end) => timestamps[end - shape.length + 1]! > cut);
  };
  const validation = after(validationFrom, calibrationFrom);
  return {
    fit: ends.slice(0, validationFrom),
    validation: validation.length > 0 ? validation : ends.slice(validationFrom, calibrationFrom),
    calibration: after(calibrationFrom, ends.length),
  };
}

/** All windows before the calibration block. A closed form is fitted to all of them, as it needs no validation. */
export function beforeCalibration({ fit, validation }: Split): Int32Array {
  const all = new Int32Array(fit.length + validation.length);
  all.set(fit);
  all.set(validation, fit.length);
  return all;
}
