/**
 * Context longer than a window: a temperature follows a load of minutes ago. The inputs are exponential means of the channels
 * with several time constants. A ridge regression predicts a channel's deviation from the linear sibling (models/linear.ts) by
 * the means of the other channels, so that a fault does not explain itself. A channel has a context only if that makes later
 * records of the history likelier.
 */
import { cholesky, inverse, quadraticForm, solve } from './matrix';
import type { Part } from './memory';

/** A channel with coefficients for the means of the others. */
export interface ContextChannel {
  channel: number;
  intercept: number;
  /** Weight of each mean; 0 for means of the channel itself. Shape [channels, time constants]. */
  coefficients: readonly number[];
  /** Values that deviate more than this from the expected value are clipped to it before they enter the means. */
  limit: number;
}

/** Stored in the model version. */
export interface ContextState {
  channels: readonly ContextChannel[];
  /**
   * Average of each exponential mean over the history; used for a device that is not in the history. Shape [channels, time
   * constants].
   */
  centre: readonly number[];
  /** Distance from the centre to which a mean is clipped. Shape [channels, time constants]. */
  reach: readonly number[];
  /** Means of each device at the end of the history, and the number of its records. */
  devices: Readonly<Record<string, readonly number[]>>;
  /** Inverse covariance of the deviations from expected values. Shape [channels, channels]. */
  precision: readonly number[];
}

/** Time constants, in records. */
const contextRecords = [10, 30, 100, 300] as const;
const constants = contextRecords.length;
const longest = Math.max(...contextRecords);
/** Gain that a channel needs, in nats per record: its variance must fall to a seventh. */
const leastGain = 1;
/** Weights of the ridge, as shares of the records. The weight is chosen on later records. */
const ridges = [0.001, 0.01, 0.1] as const;
/** Share of the records before calibration that the candidate coefficients are fitted to. */
const earlierShare = 2 / 3;
/** Least number of records, as a multiple of the longest time constant. */
const neededConstants = 3;
const reachDeviations = 5;
const limitDeviations = 4;
/** Number of records after which the initial value has a weight below e⁻¹⁰ in every mean. */
const forgotten = 10 * longest;
/** By number of records, the share of the initial value in the square of each mean. Shape [forgotten + 1, time constants]. */
const shareOfBeginning = Float64Array.from(
  { length: (forgotten + 1) * constants },
  (_, i) => (1 - 1 / contextRecords[i % constants]!) ** (2 * Math.floor(i / constants)),
);
const maxRecords = 8000;
/** Maximum number of channels: with more, the regressions would take too long. */
const maxChannels = 64;
const maxDevices = 1000;
/** Largest value that enters the means, in standard deviations. */
const largest = 10;
const noise = 0.01;
const leastVariance = 1e-4;
const leastSpread = 0.01;

/** The history to fit the context to: device after device, each in order of time. */
export interface ContextHistory {
  /** Scaled; NaN = missing. Shape [records, channels]. */
  x: Float64Array;
  /** Deviations from the linear sibling; 0 if a value is missing or does not count. Shape [records, channels]. */
  deviations: Float64Array;
  /** Records [from, to) of each device. */
  devices: readonly { key: string; from: number; to: number }[];
  /** Unix ms. Shape [records]. */
  times: ArrayLike<number>;
  /** Indices of the records before the calibration block. */
  before: Int32Array;
}

const clip = (value: number, most: number): number => Math.max(-most, Math.min(most, value));

/** @returns undefined if no channel gains, or if the history is too short */
export function fitContext(history: ContextHistory, channels: number): ContextState | undefined {
  if (channels < 2 || channels > maxChannels) return undefined;
  const { x, deviations, devices, times } = history;
  const size = channels * constants;
  const inBefore = new Uint8Array(deviations.length / channels);
  for (const record of history.before) inBefore[record] = 1;
  const usable: number[] = [];
  for (const { from, to } of devices)
    for (let record = from + longest; record < to; record++) if (inBefore[record] === 1) usable.push(record);
  if (usable.length < neededConstants * longest) return undefined;
  const stride = Math.ceil(usable.length / maxRecords);
  const records = usable.filter((_, i) => i % stride === 0).sort((a, b) => times[a]! - times[b]! || a - b);
  const placeOf = new Map(records.map((record, i) => [record, i]));
  const means = new Float64Array(records.length * size);
  for (const { from, to } of devices) {
    const cells = firstMeans(x, from, channels);
    for (let record = from; record < to; record++) {
      const place = placeOf.get(record);
      if (place !== undefined) means.set(cells, place * size);
      addToMeans(cells, 0, x, record * channels, channels);
    }
  }
  const { centre, spread } = momentsOf(means, size);
  const reach = spread.map((value) => reachDeviations * value);
  const inputs = means.map(
    (value, i) => clip(value - centre[i % size]!, reach[i % size]!) / spread[i % size]!,
  );
  const outputs = Float64Array.from({ length: records.length * channels }, (_, i) =>
    clip(deviations[records[Math.floor(i / channels)]! * channels + (i % channels)]!, largest),
  );
  const learned = regressAll(inputs, outputs, channels);
  if (learned.length === 0) return undefined;
  const state = {
    channels: learned.map(({ coefficients, intercept, ...of }) => ({
      ...of,
      intercept: coefficients.reduce((sum, value, i) => sum - (value / spread[i]!) * centre[i]!, intercept),
      coefficients: coefficients.map((value, i) => value / spread[i]!),
    })),
    centre: Array.from(centre),
    reach: Array.from(reach),
    devices: {},
  };
  return { ...state, ...precisionAndEnds(state, history, inBefore, channels) };
}

/** Precision of the deviations over the whole history, computed as in live scoring, and the means at its end. */
function precisionAndEnds(
  state: Omit<ContextState, 'precision'>,
  { x, deviations, devices }: ContextHistory,
  inBefore: Uint8Array,
  channels: number,
): Pick<ContextState, 'precision' | 'devices'> {
  const follow = createFollower(state, channels);
  const rest = new Float64Array(channels);
  const covariance = new Float64Array(channels * channels);
  const ends = new Map<string, readonly number[]>();
  let count = 0;
  const large = devices.toSorted((a, b) => b.to - b.from - (a.to - a.from));
  large.forEach(({ key, from, to }, d) => {
    const cells = new Float64Array(follow.size);
    follow.begin(cells, 0);
    for (let record = from; record < to; record++) {
      const at = record * channels;
      follow.step(cells, 0, x, at, deviations, at, rest);
      if (inBefore[record] !== 1 || record < from + longest) continue;
      count++;
      for (let i = 0; i < channels; i++)
        for (let j = 0; j <= i; j++) covariance[i * channels + j]! += rest[i]! * rest[j]!;
    }
    if (d < maxDevices && to > from) ends.set(key, Array.from(cells));
  });
  for (let i = 0; i < channels; i++) {
    for (let j = 0; j <= i; j++) {
      const value = covariance[i * channels + j]! / Math.max(1, count);
      covariance[i * channels + j] = covariance[j * channels + i] =
        i === j ? (1 - noise) * value + noise * Math.max(value, leastVariance) : (1 - noise) * value;
    }
    if (covariance[i * channels + i]! < leastVariance * noise) covariance[i * channels + i] = leastVariance;
  }
  return { precision: Array.from(inverse(covariance, channels)), devices: Object.fromEntries(ends) };
}

/**
 * The channels that gain, with the coefficients of their standardised means.
 * @param inputs shape [records, channels × time constants], in order of time
 * @param outputs shape [records, channels]
 */
function regressAll(inputs: Float64Array, outputs: Float64Array, channels: number): ContextChannel[] {
  const width = channels * constants;
  const size = 1 + width;
  const count = outputs.length / channels;
  const earlier = Math.floor(earlierShare * count);
  const gram = new Float64Array(size * size);
  const moments = new Float64Array(size * channels);
  const input = new Float64Array(size);
  const add = (from: number, to: number): void => {
    for (let record = from; record < to; record++) {
      input[0] = 1;
      input.set(inputs.subarray(record * width, (record + 1) * width), 1);
      for (let i = 0; i < size; i++) {
        for (let k = 0; k <= i; k++) gram[i * size + k]! += input[i]! * input[k]!;
        for (let j = 0; j < channels; j++)
          moments[i * channels + j]! += input[i]! * outputs[record * channels + j]!;
      }
    }
  };
  add(0, earlier);
  const compared = Array.from({ length: channels }, (_, channel) => compare(channel));
  add(earlier, count);
  return compared.flatMap(({ channel, gain, weight, error }) => {
    if (gain < leastGain) return [];
    const solved = solveFor(channel, weight, count);
    const limit = limitDeviations * Math.sqrt(Math.max(error, errorOf(channel, solved, 0)));
    return [{ channel, intercept: solved[0]!, coefficients: Array.from(solved.subarray(1)), limit }];
  });

  /** Coefficients of all inputs except those of the channel itself. */
  function solveFor(channel: number, weight: number, records: number): Float64Array {
    const own = 1 + channel * constants;
    const used = Array.from({ length: size }, (_, i) => i).filter((i) => i < own || i >= own + constants);
    const part = Float64Array.from({ length: used.length ** 2 }, (_, at) => {
      const [i, k] = [used[Math.floor(at / used.length)]!, used[at % used.length]!];
      return (
        gram[Math.max(i, k) * size + Math.min(i, k)]! + (i === k ? (i === 0 ? 1e-9 : weight * records) : 0)
      );
    });
    const solved = solve(
      cholesky(part, used.length),
      used.length,
      Float64Array.from(used, (i) => moments[i * channels + channel]!),
    );
    const all = new Float64Array(size);
    used.forEach((i, at) => (all[i] = solved[at]!));
    return all;
  }

  /** Mean squared error from record `from` on. */
  function errorOf(channel: number, coefficients: Float64Array, from: number): number {
    let sum = 0;
    for (let record = from; record < count; record++) {
      let error = outputs[record * channels + channel]! - coefficients[0]!;
      for (let i = 0; i < width; i++) error -= coefficients[1 + i]! * inputs[record * width + i]!;
      sum += error ** 2;
    }
    return sum / Math.max(1, count - from);
  }

  /** On the later records, the gain in likelihood over the prediction by the channel's earlier mean. */
  function compare(channel: number): { channel: number; gain: number; weight: number; error: number } {
    const flat = new Float64Array(size);
    flat[0] = moments[channel]! / earlier;
    const without = errorOf(channel, flat, earlier);
    const [best] = ridges
      .map((weight) => ({ weight, error: errorOf(channel, solveFor(channel, weight, earlier), earlier) }))
      .sort((a, b) => a.error - b.error);
    // With this margin, a constant channel does not gain.
    const gain = Math.log((without + 1e-3) / (best!.error + 1e-3)) / 2;
    return { channel, gain, ...best! };
  }
}

function momentsOf(means: Float64Array, size: number): { centre: Float64Array; spread: Float64Array } {
  const count = means.length / size;
  const centre = new Float64Array(size);
  const spread = new Float64Array(size);
  means.forEach((value, i) => (centre[i % size]! += value / count));
  means.forEach((value, i) => (spread[i % size]! += (value - centre[i % size]!) ** 2 / count));
  return { centre, spread: spread.map((value) => Math.sqrt(value) + leastSpread) };
}

/** The means at the first record of a device: its values, and 0 if they are missing. */
function firstMeans(x: ArrayLike<number>, record: number, channels: number): Float64Array {
  return Float64Array.from({ length: channels * constants }, (_, i) => {
    const value = x[record * channels + Math.floor(i / constants)]!;
    return Number.isFinite(value) ? clip(value, largest) : 0;
  });
}

/** Adds a record to the means, which are the cells from index `at` on. A missing value leaves its means unchanged. */
function addToMeans(
  cells: Float64Array,
  at: number,
  x: ArrayLike<number>,
  from: number,
  channels: number,
): void {
  for (let j = 0; j < channels; j++) {
    const value = x[from + j]!;
    if (!Number.isFinite(value)) continue;
    const bounded = clip(value, largest);
    for (let k = 0, cell = at + j * constants; k < constants; k++, cell++)
      cells[cell]! += (bounded - cells[cell]!) / contextRecords[k]!;
  }
}

/**
 * Cells of a device: its means, and the number of its records. While the records are few, the means are still near their
 * initial values, and the uncertainty of the expected values is proportional to the share of the initial value.
 */
function createFollower(state: Omit<ContextState, 'precision'>, channels: number) {
  const size = channels * constants;
  const centre = Float64Array.from(state.centre);
  const reach = Float64Array.from(state.reach);
  const expected = state.channels.map(({ coefficients, ...of }) => ({
    ...of,
    coefficients: Float64Array.from(coefficients),
    // By time constant, the variance that the initial values add, in variances of the residual.
    ofBeginning: contextRecords.map((_, k) =>
      coefficients.reduce(
        (sum, coefficient, i) =>
          i % constants === k
            ? sum + ((coefficient * reach[i]! * limitDeviations) / reachDeviations / of.limit) ** 2
            : sum,
        0,
      ),
    ),
  }));
  const counted = new Float64Array(size);
  const entering = new Float64Array(channels);
  const seenAt = size;

  /** Standard deviation of a residual after `seen` records, as a multiple of that after many records. */
  function uncertainty(ofBeginning: readonly number[], seen: number): number {
    if (seen > forgotten) return 1;
    let variance = 1;
    for (let k = 0; k < constants; k++) variance += ofBeginning[k]! * shareOfBeginning[seen * constants + k]!;
    return Math.sqrt(variance);
  }

  return {
    size: size + 1,
    /** The device is not in the history. */
    begin(cells: Float64Array, at: number): void {
      cells.set(centre, at);
      cells[at + seenAt] = 0;
    },
    /**
     * Writes to `rest` the deviation of a record from the value that the sibling and the earlier means predict, then adds the
     * record to the means. A deviation of 0 means that a value is missing or does not count, and stays 0.
     */
    step(
      cells: Float64Array,
      at: number,
      x: ArrayLike<number>,
      xAt: number,
      deviations: ArrayLike<number>,
      deviationsAt: number,
      rest: Float64Array,
    ): void {
      for (let i = 0; i < size; i++) {
        const mean = cells[at + i]! - centre[i]!;
        counted[i] = centre[i]! + (mean > reach[i]! ? reach[i]! : mean < -reach[i]! ? -reach[i]! : mean);
      }
      for (let j = 0; j < channels; j++) {
        rest[j] = deviations[deviationsAt + j]!;
        entering[j] = x[xAt + j]!;
      }
      const seen = cells[at + seenAt]!++;
      for (const { channel, intercept, coefficients, limit, ofBeginning } of expected) {
        if (rest[channel] === 0) continue;
        let value = rest[channel]! - intercept;
        for (let i = 0; i < size; i++) value -= coefficients[i]! * counted[i]!;
        const scale = uncertainty(ofBeginning, seen);
        rest[channel] = value / scale;
        const most = limit * scale;
        if (Math.abs(value) > most) entering[channel]! -= value - Math.sign(value) * most;
      }
      addToMeans(cells, at, entering, 0, channels);
    },
  };
}

export interface Context extends Part {
  /**
   * Returns T² of a record given the means of the earlier records, then adds the record to the means.
   * @param x scaled, NaN = missing, from index `xAt` on
   * @param deviations of the record from the linear sibling, from index `deviationsAt` on
   * @param rest receives the part of the deviations that the context does not explain. Shape [channels]
   */
  step(
    cells: Float64Array,
    x: ArrayLike<number>,
    xAt: number,
    deviations: ArrayLike<number>,
    deviationsAt: number,
    rest?: Float64Array,
  ): number;
}

/**
 * Cells: the means of each channel, and the number of records.
 * @param at index of the first cell
 */
export function createContext(state: ContextState, at = 0): Context {
  const channels = state.centre.length / constants;
  const follow = createFollower(state, channels);
  const precision = Float64Array.from(state.precision);
  const unused = new Float64Array(channels);
  return {
    size: follow.size,
    begin(cells, key) {
      if (Object.hasOwn(state.devices, key)) cells.set(state.devices[key]!, at);
      else follow.begin(cells, at);
    },
    step(cells, x, xAt, deviations, deviationsAt, rest = unused) {
      follow.step(cells, at, x, xAt, deviations, deviationsAt, rest);
      const distance = quadraticForm(precision, channels, rest);
      return Number.isFinite(distance) ? distance : Infinity;
    },
  };
}

/**
 * T² of each record of the history, shape [records], and the part of its deviations that the context does not explain, computed
 * as in live scoring.
 */
export function contextOfHistory(
  state: ContextState,
  { x, deviations, devices }: ContextHistory,
): { distances: Float64Array; rests: Float64Array } {
  const channels = state.centre.length / constants;
  const context = createContext(state);
  const distances = new Float64Array(deviations.length / channels);
  const rests = new Float64Array(deviations.length);
  const rest = new Float64Array(channels);
  for (const { from, to } of devices) {
    const cells = new Float64Array(context.size);
    // The history has no records before its first ones.
    context.begin(cells, '');
    for (let record = from; record < to; record++) {
      const at = record * channels;
      distances[record] = context.step(cells, x, at, deviations, at, rest);
      rests.set(rest, at);
    }
  }
  return { distances, rests };
}
