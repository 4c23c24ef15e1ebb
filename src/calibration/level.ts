/**
 * The level of each channel of a device, in scaled units. Sensors drift, plants warm up, a load changes permanently. Two shifts
 * are subtracted from a channel before a model reads it. The first is the part of its exponential mean that exceeds the range
 * of the history, in proportion to how much the channel wandered there. The second is a new normal: values that have been
 * outside the history's range for `acceptAfter` records. Within the range of its history a channel is unchanged, so that a
 * model is trained and calibrated on the same values that it scores.
 */
import type { Part } from './memory';

/** Stored in the model version. Each list has one entry for each channel. */
export interface LevelState {
  /** Memory of the exponential mean, records. */
  memory: number;
  /** By channel, the share from 0 to 1 by which it follows its level beyond the range of the history. */
  share: readonly number[];
  mean: readonly number[];
  /** Least and largest level in the history. */
  lowest: readonly number[];
  highest: readonly number[];
  /** Normal values hardly ever lie outside of these bounds. */
  low: readonly number[];
  high: readonly number[];
  /** Number of records outside the bounds that make a new normal; 0 = never, and no level is followed. */
  acceptAfter: number;
  /**
   * Share, 0 to 1, of the records in the history that have a value of the channel. Absent in older versions: every record
   * counts as having one.
   */
  density?: readonly number[];
  /** Levels at the end of the history, by device. */
  devices: Readonly<Record<string, readonly number[]>>;
}

/** The history is divided into this many blocks; the memory of a level is as long as one of them. */
const blocks = 16;
const leastMemory = 20;
/** Deviations of less than this share of a channel's spread do not count as wandering. */
const leastDeviation = 0.05;
/** Share of the values at each end that is ignored for the bounds. */
const trimmed = 0.005;
/** Maximum number of devices whose level at the end of the history is stored. */
const maxDevices = 1000;

/** The history of one device, in order of time. */
export interface History {
  key: string;
  /** First row, and the row after the last. */
  from: number;
  to: number;
}

/** Memory in values of the channel, for a channel that has values in only a part of the records. @param memory records */
function memoryOf(memory: number, density: number): number {
  return Math.max(Math.min(memory, leastMemory), memory * density);
}

/** @param at scaled value of a row and channel; NaN = missing */
export function fitLevel(
  at: (row: number, channel: number) => number,
  channels: number,
  histories: readonly History[],
  acceptAfter: number,
): LevelState {
  const total = histories.reduce((sum, { from, to }) => sum + to - from, 0);
  const records = total / Math.max(1, histories.length);
  const memory = Math.max(leastMemory, records / blocks);
  const kept = [...histories].sort((a, b) => b.to - b.from - (a.to - a.from)).slice(0, maxDevices);
  const devices = new Map(kept.map(({ key }) => [key, new Float64Array(channels)]));
  const fits = Array.from({ length: channels }, (_, channel) => {
    const values: number[] = [];
    for (const { from, to } of histories)
      for (let row = from; row < to; row++)
        if (!Number.isNaN(at(row, channel))) values.push(at(row, channel));
    const sorted = Float64Array.from(values).sort();
    const density = sorted.length / Math.max(1, total);
    const own = memoryOf(memory, density);
    const mean = sorted.length === 0 ? 0 : sorted.reduce((sum, value) => sum + value / sorted.length, 0);
    let [lowest, highest] = [Infinity, -Infinity];
    for (const { key, from, to } of histories) {
      let level = mean;
      for (let row = from; row < to; row++) {
        const value = at(row, channel);
        if (!Number.isNaN(value)) level += (value - level) / own;
        lowest = Math.min(lowest, level);
        highest = Math.max(highest, level);
      }
      const ends = devices.get(key);
      if (ends !== undefined) ends[channel] = level;
    }
    if (lowest > highest) [lowest, highest] = [mean, mean];
    const quantile = (q: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
    const [least, largest] = [quantile(trimmed), quantile(1 - trimmed)];
    // A channel that swings slowly may go further next time, and stay there for long.
    const room = Math.max(leastDeviation, (highest - lowest) / 2);
    return {
      share: wanderShare(at, channel, histories),
      mean,
      lowest,
      highest,
      low: least - room,
      high: largest + room,
      density,
    };
  });
  const each = (name: keyof (typeof fits)[number]): number[] => fits.map((fit) => fit[name]);
  return {
    memory,
    share: each('share'),
    mean: each('mean'),
    lowest: each('lowest'),
    highest: each('highest'),
    low: each('low'),
    high: each('high'),
    acceptAfter,
    density: each('density'),
    devices: Object.fromEntries([...devices].map(([key, levels]) => [key, Array.from(levels)])),
  };
}

/**
 * r² / (1 + r²), where r is the variance between the blocks of a history over that within them: how much the channel wanders.
 */
function wanderShare(
  at: (row: number, channel: number) => number,
  channel: number,
  histories: readonly History[],
): number {
  let [between, within, weight] = [0, 0, 0];
  for (const { from, to } of histories) {
    const means: number[] = [];
    const variances: number[] = [];
    for (let block = 0; block < blocks; block++) {
      const start = from + Math.floor((block * (to - from)) / blocks);
      const end = from + Math.floor(((block + 1) * (to - from)) / blocks);
      let [n, mean, squares] = [0, 0, 0];
      for (let row = start; row < end; row++) {
        const value = at(row, channel);
        if (Number.isNaN(value)) continue;
        n++;
        const delta = value - mean;
        mean += delta / n;
        squares += delta * (value - mean);
      }
      if (n === 0) continue;
      means.push(mean);
      variances.push(squares / n);
    }
    if (means.length < 2) continue;
    const average = (list: readonly number[]): number =>
      list.reduce((sum, value) => sum + value / list.length, 0);
    const middle = average(means);
    between += (to - from) * average(means.map((value) => (value - middle) ** 2));
    within += (to - from) * average(variances);
    weight += to - from;
  }
  if (weight === 0) return 0;
  const r = between / weight / (within / weight + leastDeviation ** 2);
  return r ** 2 / (1 + r ** 2);
}

export interface Level extends Part {
  /**
   * Returns the amounts to subtract from the channels of a record, then adds the record. They depend only on values, not on
   * scores.
   * @param x scaled values of the record, NaN = missing. Shape [channels]
   * @param time event time, Unix ms
   * @param shift receives the amounts, scaled, from index `to` on
   * @returns whether any amount is not 0
   */
  step(cells: Float64Array, x: ArrayLike<number>, time: number, shift: Float32Array, to: number): boolean;
  /** Channels whose new normal takes effect after the record of the last `step`. */
  readonly moved: readonly number[];
  /** Accepts a new normal for channels that were outside for most of the newest `records` records. */
  accept(cells: Float64Array, records: number, time: number): void;
  /**
   * Returns channels with a new normal since a time to their earlier state; for other channels, cancels a new normal that is
   * about to form.
   */
  undo(cells: Float64Array, since: number): void;
}

/**
 * If the exponential share of values outside exceeds this, there is a new normal; it exceeds it after `acceptAfter` records.
 */
const acceptedShare = 0.5;

/** While a channel is inside and its share outside is below this, no new normal is forming. */
const quietShare = 0.1;

/** Least number of values for the new normal of a channel that reports in few records. */
const leastValues = 10;

const cellsPerChannel = 8;
const none: readonly number[] = [];

/**
 * Cells, by channel: level, offset of the new normal, share outside, and the weighted sum of the values outside; then the data
 * to undo a new normal: the level before a new normal began to form, the event time of the newest new normal, and offset and
 * level before it. Levels are those of the values minus the offset.
 * @param first index of the first cell
 */
export function createLevel(state: LevelState, first = 0): Level {
  const { memory, share, mean, lowest, highest, low, high, acceptAfter, density, devices } = state;
  const channels = mean.length;
  const densityOf = (channel: number): number => density?.[channel] ?? 1;
  const memories = mean.map((_, j) => memoryOf(memory, densityOf(j)));
  /** By channel, the rate at which the share outside follows. Only records with a value count. */
  const rates = mean.map((_, j) => {
    const values = Math.max(Math.min(acceptAfter, leastValues), acceptAfter * densityOf(j));
    return acceptAfter === 0 ? 0 : 1 - (1 - acceptedShare) ** (1 / values);
  });
  let moved: readonly number[] = none;

  /** The part of a level beyond the range of the history that is subtracted. */
  function beyondHistory(level: number, channel: number): number {
    return share[channel]! * (level - Math.max(lowest[channel]!, Math.min(highest[channel]!, level)));
  }

  /** Moves the level to the weighted mean of the values outside. */
  function moveTo(cells: Float64Array, channel: number, time: number): void {
    const at = first + cellsPerChannel * channel;
    const offset = cells[at + 1]!;
    cells[at + 5] = time;
    cells[at + 6] = offset;
    cells[at + 7] = cells[at + 4]!;
    cells[at + 1] = cells[at + 3]! / cells[at + 2]! - mean[channel]!;
    cells[at]! -= cells[at + 1]! - offset;
    cells[at + 2] = cells[at + 3] = 0;
  }

  return {
    size: acceptAfter === 0 ? 0 : cellsPerChannel * channels,
    get moved() {
      return moved;
    },
    begin(cells, key) {
      if (acceptAfter === 0) return;
      const ends = Object.hasOwn(devices, key) ? devices[key]! : mean;
      for (let j = 0; j < channels; j++) {
        const at = first + cellsPerChannel * j;
        cells[at] = cells[at + 4] = ends[j]!;
        cells[at + 5] = -Infinity;
      }
    },
    accept(cells, records, time) {
      if (acceptAfter === 0) return;
      const enough = (1 - (1 - acceptedShare) ** (records / acceptAfter)) / 2;
      for (let j = 0; j < channels; j++)
        if (cells[first + cellsPerChannel * j + 2]! > enough) moveTo(cells, j, time);
    },
    undo(cells, since) {
      if (acceptAfter === 0) return;
      for (let j = 0; j < channels; j++) {
        const at = first + cellsPerChannel * j;
        cells[at + 2] = cells[at + 3] = 0;
        if (!(cells[at + 5]! >= since)) continue;
        cells[at + 1] = cells[at + 6]!;
        cells[at] = cells[at + 4] = cells[at + 7]!;
        cells[at + 5] = -Infinity;
      }
    },
    step(cells, x, time, shift, to) {
      moved = none;
      if (acceptAfter === 0) return false;
      let any = false;
      for (let j = 0; j < channels; j++) {
        const at = first + cellsPerChannel * j;
        const level = cells[at]!;
        const off = cells[at + 1]! + beyondHistory(level, j);
        shift[to + j] = off;
        if (off !== 0) any = true;
        const value = x[j]!;
        if (Number.isNaN(value)) continue;
        // Measured without the followed level: following distorts slow swings, and would end a new normal.
        const seen = value - cells[at + 1]!;
        cells[at]! += (seen - level) / memories[j]!;
        const isOutside = seen < low[j]! || seen > high[j]!;
        const rate = rates[j]!;
        cells[at + 2]! += ((isOutside ? 1 : 0) - cells[at + 2]!) * rate;
        cells[at + 3]! += ((isOutside ? value : 0) - cells[at + 3]!) * rate;
        if (!isOutside && cells[at + 2]! < quietShare) cells[at + 4] = level;
        else if (cells[at + 2]! > acceptedShare) {
          moveTo(cells, j, time);
          moved = [...moved, j];
        }
      }
      return any;
    },
  };
}
