/**
 * golden.json: normal windows and anomalies made from them, with their scores at the end of training. A version is not used if
 * it scores them differently, or if it scores no anomaly above the normal windows.
 */
import type { CategoryTable } from '../domain/condition';
import { givenConditions } from '../domain/record';
import { createWindowBatch, type WindowBatch } from '../domain/window';
import { ModelVersionError } from '../errors';
import type { RawScores } from './assessor';
import { rowOf } from './calibrated-batch';
import type { Detector, Scores } from './detector';

export interface Golden {
  windows: readonly GoldenWindow[];
}

interface GoldenWindow {
  /** Device. */
  key: string;
  timestamps: readonly number[];
  /** One list of channels per record; null = missing. Bytes of an image in base64. */
  values: readonly (readonly (number | null)[])[] | string;
  /** One list of given conditions per record: a category by its name, null = unknown. */
  conditions: readonly (readonly (string | number | null)[])[];
  surprise: number;
  /** The surprise minus the rise of the baseline, for comparison with the threshold. */
  aboveBaseline: number;
  statistics: Readonly<Record<string, number>>;
  /** Whether the window is a synthetic anomaly. */
  anomaly: boolean;
}

/** Largest relative difference between engines that is accepted. */
const tolerance = 1e-4;

/** Shifts of all values beyond the deadband, in scales of their channel; one window after another uses the next shift. */
const shifts = [50, -50, 12, -12, 6, -6, 3, -3];

/** White, the opposite brightness of each byte, and black; one image after another uses the next. */
const repaint: readonly ((byte: number) => number)[] = [() => 255, (byte) => (byte < 128 ? 255 : 0), () => 0];

/**
 * @param normal windows of normal records
 * @returns these windows, and synthetic anomalies made from them, with their scores by the detector
 * @throws ModelVersionError if no synthetic anomaly scores above the normal windows
 */
export async function describeGolden(
  detector: Detector,
  normal: WindowBatch,
  table: CategoryTable,
): Promise<Golden> {
  const { length, channels, pixels } = detector.shape;
  const given = givenConditions(detector.state.conditions.specs);
  const batch = withAnomalies(normal, detector);
  const scores = await detector.score(batch);
  const describeWindow = (window: number): GoldenWindow => {
    const records = Array.from({ length }, (_, t) => window * length + t);
    return {
      key: batch.keys[window]!,
      timestamps: records.map((record) => batch.timestamps[record]!),
      values:
        pixels === true
          ? Buffer.from(batch.values.subarray(window * channels, (window + 1) * channels)).toString('base64')
          : records.map((record) => {
              const values = batch.values.subarray(record * channels, (record + 1) * channels);
              return Array.from(values, (value) => (Number.isNaN(value) ? null : value));
            }),
      conditions: records.map((record) =>
        given.map(({ kind }, i) => {
          const value = batch.conditions[record * given.length + i]!;
          if (kind === 'category') return table.value(value) ?? null;
          return Number.isNaN(value) ? null : value;
        }),
      ),
      surprise: scores.surprise[window]!,
      aboveBaseline: scores.aboveBaseline[window]!,
      // The statistics of the window alone, as golden windows have no device.
      statistics: rowOf(scores.statistics, window),
      anomaly: window >= normal.count,
    };
  };
  const golden = { windows: Array.from({ length: batch.count }, (_, window) => describeWindow(window)) };
  reachOf(detector, golden, scores);
  return golden;
}

/** A batch with each window twice: unchanged, and shifted. */
function withAnomalies(normal: WindowBatch, { shape, state }: Detector): WindowBatch {
  const { count } = normal;
  const batch = createWindowBatch(shape, 2 * count);
  for (let copy = 0; copy < 2; copy++) {
    for (const column of ['values', 'conditions', 'timestamps'] as const) {
      const from = normal[column].subarray(0, (normal[column].length / normal.capacity) * count);
      batch[column].set(from, copy * from.length);
    }
    for (let window = 0; window < count; window++) batch.keys[batch.count++] = normal.keys[window]!;
  }
  const { values } = batch;
  const perWindow = shape.length * shape.channels;
  const deadbands = state.channels.map(
    (name) => state.signals.find(({ channel }) => channel === name)?.deadband ?? 0,
  );
  const shifted = (value: number, channel: number, by: number): number =>
    value + by * state.scaler.scale[channel]! + Math.sign(by) * deadbands[channel]!;
  for (let i = count * perWindow; i < 2 * count * perWindow; i++) {
    const window = Math.floor(i / perWindow) - count;
    values[i] =
      shape.pixels === true
        ? repaint[window % repaint.length]!(values[i]!)
        : shifted(values[i]!, i % shape.channels, shifts[window % shifts.length]!);
  }
  return batch;
}

/**
 * @returns the largest surprise of an anomaly
 * @throws ModelVersionError if the detector scores a window differently, or no synthetic anomaly scores above the normal
 * windows
 */
export async function checkGolden(detector: Detector, golden: Golden, table: CategoryTable): Promise<number> {
  // The file may be anything that is JSON.
  if (!((golden.windows as unknown) instanceof Array) || golden.windows.length === 0)
    throw new ModelVersionError(
      detector.version,
      'golden',
      'golden.json has no windows to check the model with',
    );
  const batch = readWindows(detector, golden, table);
  const raw = await detector.assess(batch);
  const [lower, upper] = [-tolerance, tolerance].map((by) =>
    detector.applyCalibration(batch, moved(raw, by)),
  ) as [Scores, Scores];
  golden.windows.forEach((window, i) => {
    const { statistics, surprise, aboveBaseline } = window;
    for (const [name, expected] of Object.entries({ ...statistics, surprise, aboveBaseline })) {
      const valueIn = (scores: Scores): number =>
        (name === 'surprise' || name === 'aboveBaseline' ? scores[name] : scores.statistics[name])?.[i] ??
        NaN;
      const slack = tolerance * Math.max(1, Math.abs(expected));
      const [low, high] = [valueIn(lower), valueIn(upper)];
      if (low - slack <= expected && expected <= high + slack) continue;
      throw new ModelVersionError(
        detector.version,
        'golden',
        `golden record ${i} has ${name} ${(low + high) / 2} instead of ${expected}: this is not the model that was trained`,
      );
    }
  });
  return reachOf(detector, golden, upper);
}

function reachOf({ version }: Detector, { windows }: Golden, { aboveBaseline }: Scores): number {
  const largest = (isAnomaly: boolean): number =>
    windows.reduce(
      (most, { anomaly }, i) => (anomaly === isAnomaly ? Math.max(most, aboveBaseline[i]!) : most),
      0,
    );
  const [reach, ofNormal] = [largest(true), largest(false)];
  if (reach > ofNormal) return reach;
  throw new ModelVersionError(
    version,
    'golden',
    `it finds no anomaly among the golden records: their largest surprise is ${reach.toFixed(1)}, that of normal records ${ofNormal.toFixed(1)}`,
  );
}

function readWindows(detector: Detector, { windows }: Golden, table: CategoryTable): WindowBatch {
  const { shape, state } = detector;
  const batch = createWindowBatch(shape, windows.length);
  const given = givenConditions(state.conditions.specs);
  for (const { key, timestamps, values, conditions } of windows) {
    batch.keys[batch.count] = key;
    const row = batch.count++ * shape.length;
    batch.timestamps.set(timestamps, row);
    batch.values.set(
      typeof values === 'string' ? Buffer.from(values, 'base64') : values.flat().map((value) => value ?? NaN),
      row * shape.channels,
    );
    const codes = conditions.flatMap((record) =>
      record.map((value, i) => {
        if (given[i]!.kind === 'number') return value === null ? NaN : Number(value);
        return value === null ? 0 : table.code(String(value));
      }),
    );
    batch.conditions.set(codes, row * given.length);
  }
  return batch;
}

/**
 * All raw scores slightly larger, or slightly smaller. Calibrated scores rise with them, so the two results bound a p-value
 * that moves in steps: if a calibration score is next to a statistic, the last bit decides on which side the statistic is.
 */
function moved(raw: RawScores, by: number): RawScores {
  const size = (value: number): number => Math.max(1, Math.abs(value));
  const move = (values: ArrayLike<number>): Float32Array =>
    Float32Array.from(values, (value) => value + by * size(value));
  return {
    ...raw,
    statistics: Object.fromEntries(
      Object.entries(raw.statistics).map(([name, values]) => [name, move(values)]),
    ),
    contributions: move(raw.contributions),
  };
}
