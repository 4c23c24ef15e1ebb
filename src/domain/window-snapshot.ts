/** The windows of all keys as columns. A key has those records that its next window contains besides the next record. */
import { rhythmSize } from './rhythm';
import { createValues, type Values } from './record';
import type { WindowShape } from './window';
import { copyRing, rememberRow, type KeyWindow } from './window-ring';

export interface WindowsSnapshot {
  /** Keys, the least recently seen one first. */
  readonly keys: readonly string[];
  /** Event time of the newest record of each key, Unix ms. Shape [keys]. */
  readonly newest: Float64Array;
  /** Number of records of each key. Shape [keys]. */
  readonly counts: Int32Array;
  /** Number of records that the window of each key, and the record before it, may lack. Shape [keys]. */
  readonly lacking: Int32Array;
  /** Interval, anchor, jump and pending records of each key. Absent in the state of older versions. Shape [keys, 4]. */
  readonly rhythms?: Float64Array | undefined;
  /** Values key by key, the oldest record of each key first. Shape [records, channels]. */
  readonly values: Values;
  /** Shape [records, given conditions]. */
  readonly conditions: Float64Array;
  /** Unix ms. Shape [records]. */
  readonly timestamps: Float64Array;
  /**
   * Last value of each channel before these records, NaN = none; absent in the state of older versions. Shape [keys, channels];
   * empty for images.
   */
  readonly priorValues?: Float64Array | undefined;
  /** Event times of these values, Unix ms. */
  readonly priorTimes?: Float64Array | undefined;
  /** Event time from which a key without a window counts as new, Unix ms. */
  readonly knownFrom: number;
}

export function takeWindowsSnapshot(
  windows: readonly KeyWindow[],
  { length, channels, conditions: given, pixels }: WindowShape,
  knownFrom: number,
): WindowsSnapshot {
  const counts = Int32Array.from(windows, ({ pushed }) => Math.min(pushed, length - 1));
  const rows = counts.reduce((sum, count) => sum + count, 0);
  const values = createValues(rows * channels, pixels === true);
  const conditions = new Float64Array(rows * given);
  const timestamps = new Float64Array(rows);
  const priorValues = new Float64Array(pixels === true ? 0 : windows.length * channels);
  const priorTimes = new Float64Array(priorValues.length);
  let row = 0;
  windows.forEach((window, k) => {
    const count = counts[k]!;
    const first = (window.pushed - count) % length;
    const { numbers, priorValuesAt, priorTimesAt, layout } = window;
    copyRing(window.values, window.valuesAt, length, first, count, channels, values, row);
    copyRing(numbers, window.conditionsAt, length, first, count, given, conditions, row);
    copyRing(numbers, window.timestampsAt, length, first, count, 1, timestamps, row);
    row += count;
    const prior = k * layout.priors;
    priorValues.set(numbers.subarray(priorValuesAt, priorValuesAt + layout.priors), prior);
    priorTimes.set(numbers.subarray(priorTimesAt, priorTimesAt + layout.priors), prior);
    // The next record overwrites the oldest one of a full window.
    if (window.pushed >= length)
      rememberRow(window, window.pushed % length, priorValues, prior, priorTimes, prior);
  });
  return {
    keys: windows.map(({ key }) => key),
    newest: Float64Array.from(windows, ({ newest }) => newest),
    counts,
    lacking: Int32Array.from(windows, ({ lacking }) => lacking),
    rhythms: Float64Array.from(
      windows.flatMap(({ interval, anchor, jump, pending }) => [interval, anchor, jump, pending]),
    ),
    values,
    conditions,
    timestamps,
    priorValues,
    priorTimes,
    knownFrom,
  };
}

/**
 * Restores the windows of the most recently seen keys.
 * @param create returns an empty window for a key
 * @throws RangeError when the snapshot has windows of another shape
 */
export function restoreWindows(
  snapshot: WindowsSnapshot,
  shape: WindowShape,
  maxKeys: number,
  create: (key: string) => KeyWindow,
): void {
  assertShape(snapshot, shape);
  const { channels, conditions: given } = shape;
  const { keys, counts } = snapshot;
  let to = 0;
  keys.forEach((key, k) => {
    const count = counts[k]!;
    const from = to;
    to += count;
    if (k < keys.length - maxKeys) return;
    const window = create(key);
    window.pushed = count;
    window.newest = snapshot.newest[k]!;
    window.lacking = snapshot.lacking[k]!;
    if (snapshot.rhythms !== undefined) {
      const [interval, anchor, jump, pending] = snapshot.rhythms.subarray(k * rhythmSize);
      Object.assign(window, { interval, anchor, jump, pending });
    }
    const { numbers, valuesAt, priorValuesAt, priorTimesAt, layout } = window;
    window.values.set(snapshot.values.subarray(from * channels, to * channels), valuesAt);
    numbers.set(snapshot.conditions.subarray(from * given, to * given), window.conditionsAt);
    numbers.set(snapshot.timestamps.subarray(from, to), window.timestampsAt);
    const ofKey = [k * layout.priors, (k + 1) * layout.priors] as const;
    if (snapshot.priorValues !== undefined)
      numbers.set(snapshot.priorValues.subarray(...ofKey), priorValuesAt);
    if (snapshot.priorTimes !== undefined) numbers.set(snapshot.priorTimes.subarray(...ofKey), priorTimesAt);
    for (let i = 0; i < count * channels; i++)
      if (Number.isNaN(window.values[valuesAt + i]!)) window.missingAt = Math.floor(i / channels);
  });
}

function assertShape(
  { keys, newest, counts, lacking, rhythms, values, conditions, timestamps, ...prior }: WindowsSnapshot,
  { length, channels, conditions: given, pixels }: WindowShape,
): void {
  const rows = counts.reduce((sum, count) => sum + count, 0);
  const fits =
    [newest, counts, lacking].every((column) => column.length === keys.length) &&
    (rhythms === undefined || rhythms.length === keys.length * rhythmSize) &&
    counts.every((count) => count >= 0 && count < length) &&
    lacking.every((count) => count >= 0 && count <= length + 1) &&
    values instanceof Uint8Array === (pixels === true) &&
    values.length === rows * channels &&
    conditions.length === rows * given &&
    timestamps.length === rows &&
    [prior.priorValues, prior.priorTimes].every(
      (column) => column === undefined || column.length === (pixels === true ? 0 : keys.length * channels),
    );
  if (!fits) throw new RangeError('the stored windows have another shape than the configured ones');
}
