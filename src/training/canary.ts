/** Canaries in the held-out records of a history: the detection power of a version before it is used. */
import { slowRecords } from '../calibration/slow-test';
import { alarmThreshold, type FalseAlarmTarget } from '../calibration/threshold';
import type { CategoryTable } from '../domain/condition';
import type { TimeRules } from '../domain/continuity';
import { tileCount } from '../domain/tiles';
import type { OpenSession } from '../onnx/session';
import type { Trained } from '../scoring/bundle';
import { findFaults, watchedRecords, type CanaryStretch } from '../scoring/canaries';
import type { DetectionPower } from '../scoring/detection-power';
import { createDetector } from '../scoring/detector';
import { openGraph } from '../scoring/onnx-engine';
import { createRandom } from '../tensor';
import { splitByTime } from './split';
import type { Dataset } from './dataset';

/** Enough for a share with an error of a tenth, and few enough to cost less than the calibration. */
const mostStretches = 32;
/** Number of stretches for large images, each of whose tiles costs as much as an image. */
const fewestStretches = 2;
/** Least distance between the beginnings of two stretches in the calibration block, records. */
const spacing = 8;

/**
 * Stretches spread evenly over the calibration block, each with the earlier records that fill the memory of its device.
 * @param dataset with counts of counters, not rates
 * @param calibration rows that end the windows of the block
 * @param most maximum number of stretches
 */
export function pickStretches(
  { devices, values, conditions, timestamps, shape, ends }: Dataset,
  calibration: Int32Array,
  most = mostStretches,
): CanaryStretch[] {
  const { length, channels, conditions: given, pixels } = shape;
  const watched = pixels === true ? 1 : watchedRecords;
  const filled = pixels === true ? 0 : 1;
  const isEnd = new Uint8Array(timestamps.length);
  for (const end of ends) isEnd[end] = 1;
  const inBlock = new Uint8Array(timestamps.length);
  for (const end of calibration) inBlock[end] = 1;
  /** By row, the number of successive records of one device, up to this one, that end a window. */
  const runOf = (of: Uint8Array): Int32Array => {
    const run = new Int32Array(timestamps.length);
    for (const { from, to } of devices)
      for (let row = from; row < to; row++)
        run[row] = of[row] === 0 ? 0 : (row > from ? run[row - 1]! : 0) + 1;
    return run;
  };
  const [whole, held] = [runOf(isEnd), runOf(inBlock)];
  const lasts = Int32Array.from(calibration)
    .sort()
    .filter((row) => held[row]! >= watched && whole[row]! >= watched + filled);
  const count = Math.min(most, Math.ceil(lasts.length / spacing));
  return Array.from({ length: count }, (_, i) => {
    const last = lasts[Math.floor(((i + 0.5) * lasts.length) / count)]!;
    const from = last - watched + 1;
    const known = from - Math.min(whole[last]! - watched, filled * slowRecords);
    const first = known - length + 1;
    const rows = <T extends Float64Array | Uint8Array>(column: T, width: number) =>
      column.slice(first * width, (last + 1) * width) as T;
    return {
      key: devices.find(({ to }) => last < to)!.key,
      values: rows(values as Float64Array, channels),
      conditions: rows(conditions, given),
      timestamps: rows(timestamps, 1),
      known: known - first,
      from: from - first,
    };
  });
}

export interface CanaryOptions {
  target: FalseAlarmTarget;
  /** Share of the history for calibration: calibration.share. */
  share: number;
  time: TimeRules;
  seed: number;
  /** Opens the scoring graph; if absent, tfjs scores. */
  openScoring?: OpenSession | undefined;
}

/**
 * Detection power of a version at the operator's target. It is not used to choose between models.
 * @returns undefined if the calibration block is too short for a stretch, or for the target
 */
export async function measurePower(
  { state, model, graph }: Omit<Trained, 'report'>,
  levels: Dataset,
  { target, share, time, seed, openScoring }: CanaryOptions,
  table: CategoryTable,
): Promise<DetectionPower | undefined> {
  const threshold = thresholdOf(target, state);
  if (threshold === undefined) return undefined;
  const openEngine = graph && openScoring && (await openGraph(graph, openScoring));
  const detector = createDetector('new', state, model, table, openEngine);
  try {
    const most = Math.max(fewestStretches, Math.floor(mostStretches / tileCount(state.image)));
    const stretches = pickStretches(levels, splitByTime(levels, share).calibration, most);
    return await findFaults(detector, stretches, { threshold, time, random: createRandom(seed) });
  } finally {
    detector.release();
  }
}

/** Undefined if the calibration does not support the target; loading the version then fails with the reason. */
function thresholdOf(target: FalseAlarmTarget, state: Trained['state']): number | undefined {
  try {
    return alarmThreshold(target, state).surprise;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
