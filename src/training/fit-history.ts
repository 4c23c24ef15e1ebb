/** Learns the parts of a version that need records but no model: the linear sibling, levels, and runs of equal values. */
import { fitLevel } from '../calibration/level';
import { fitRuns } from '../calibration/run-lengths';
import {
  createConditionEncoder,
  joinConditions,
  type CategoryTable,
  type ConditionState,
} from '../domain/condition';
import { createScaler, type ScalerState } from '../domain/scaler';
import { fitLinear } from '../models/linear';
import type { LearnedState } from '../scoring/version-state';
import type { Dataset } from './dataset';

/** Maximum number of records for the linear sibling, evenly spread. */
const maxLinearRecords = 50_000;

/**
 * @param fit windows before the calibration block; the linear sibling is fitted to their newest records
 * @param isCounter by channel: the dataset contains rates, whose runs do not occur in live records
 */
export function fitHistory(
  dataset: Dataset,
  fit: Int32Array,
  scaler: ScalerState,
  conditions: ConditionState,
  table: CategoryTable,
  acceptAfter: number,
  isCounter: (channel: number) => boolean,
): Pick<LearnedState, 'linear' | 'level' | 'runs'> {
  const { values, devices, shape } = dataset;
  const { channels, conditions: given } = shape;
  const { scale, knows } = createScaler(scaler);
  const encoder = createConditionEncoder(conditions, table);
  const stride = Math.ceil(fit.length / maxLinearRecords);
  const rows = fit.filter((_, i) => i % stride === 0);
  const x = new Float32Array(rows.length * channels);
  const { terms } = encoder;
  const c = new Float32Array(rows.length * terms.size);
  const keys = Array.from(rows, (row) => devices.find(({ to }) => row < to)!.key);
  /** Scaled; NaN if the value is missing or not finite. */
  const at = (row: number, channel: number): number => {
    const value = values[row * channels + channel]!;
    const scaled = Number.isNaN(value) || !knows(channel) ? NaN : scale(value, channel);
    return Number.isFinite(scaled) ? scaled : NaN;
  };
  const ofRecords = new Float32Array(shape.length * encoder.dim);
  const ofWindow = new Float32Array(2 * encoder.dim);
  rows.forEach((row, i) => {
    for (let j = 0; j < channels; j++) x[i * channels + j] = at(row, j);
    if (encoder.dim === 0) return;
    for (let k = 0, of = row - shape.length + 1; of <= row; k++, of++)
      encoder.encode(dataset.conditions, of * given, dataset.timestamps[of]!, ofRecords, k * encoder.dim);
    joinConditions(ofRecords, 0, shape.length, encoder.dim, ofWindow, 0);
    terms.write(ofWindow, 0, c, i * terms.size);
  });
  const withoutCounters = values.map((value, i) => (isCounter(i % channels) ? NaN : value));
  return {
    linear: fitLinear({ x, c, keys }, channels, terms.size),
    level: fitLevel(at, channels, devices, acceptAfter),
    runs: fitRuns(withoutCounters, channels, devices),
  };
}
