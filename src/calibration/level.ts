/**
 * The level of each channel of a device, in scaled units. Sensors drift, plants warm up, a load changes for good. Two moves are
 * taken off a channel before a model sees it: what its exponential mean has moved beyond all that history has shown, as far as
 * the channel wandered in history; and a new normal: values that have been outside the history's range for `acceptAfter` records.
 * Within its history a channel stays as it is, so that a model is trained and calibrated as it is deployed.
 */
import type { Part } from './memory';

/** Stored in the model version. Each list has one entry for each channel. */
export interface LevelState {
  /** Memory of the exponential mean, records. */
  memory: number;
  /** Share, 0 to 1, by which a channel follows its level beyond the range of history. */
  share: readonly number[];
  mean: readonly number[];
  /** Least and largest level in history. */
  lowest: readonly number[];
  highest: readonly number[];
  /** Outside of these bounds hardly a normal value is. */
  low: readonly number[];
  high: readonly number[];
  /** Records outside the bounds that make a new normal; 0 = never, and no level is followed. */
  acceptAfter: number;
  /** Share, 0 to 1, of the records of history with a value of the channel. Absent in older versions: each has one. */
  density?: readonly number[];
  /** Levels at the end of history, by device. */
  devices: Readonly<Record<string, readonly number[]>>;
}

/** A history is cut into this many blocks; the memory of a level is one of them. */
const blocks = 16;
const leastMemory = 20;
/** A tenth of a channel's spread is no wandering. */
const leastDeviation = 0.05;
/** Share of the values at each end that do not count for the bounds. */
const trimmed = 0.005;
/** Devices whose level at the end of history is kept, at most. */
const maxDevices = 1000;

/** The history of a device in order of time. */
export interface History {
  key: string;
  /** First row, and the row after the last. */
  from: number;
  to: number;
}

/** Values of a channel in its level. @param memory records */
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
    // What swings slowly may go further next time, and stay there for long.
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

/** r² / (1 + r²), where r is the variance between the blocks of a history over that within them: does the channel wander? */
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
   * What to take off the channels of a record; then adds the record. Depends on values alone, not on scores.
   * @param x scaled values of the record, NaN = missing. Shape [channels]
   * @param time event time, Unix ms
   * @param shift gets what to take off, scaled, from index `to` on
   * @returns whether anything is taken off
   */
  step(cells: Float64Array, x: ArrayLike<number>, time: number, shift: Float32Array, to: number): boolean;
  /** Channels with a new normal from the record after that of the last `step` on. */
  readonly moved: readonly number[];
  /** Channels that have been outside for most of the newest `records` records get their new normal now. */
  accept(cells: Float64Array, records: number, time: number): void;
  /** Channels with a new normal since a time go back to where they stood before; for the others, none is on its way. */
  undo(cells: Float64Array, since: number): void;
}

/** A share outside of more than this is a new normal; an exponential share passes it after `acceptAfter` records. */
const acceptedShare = 0.5;

/** While a channel is inside, and has been outside less often than this, no new normal is on its way. */
const quietShare = 0.1;

/** A channel that reports in few records has a new normal after this many values at least. */
const leastValues = 10;

const cellsPerChannel = 8;
const none: readonly number[] = [];

/**
 * Cells, by channel: level, offset of the new normal, share outside, and the sum of the values outside with the same weights; then
 * what undoes a new normal: the level while none was on its way, the event time of the newest new normal, and offset and level before it.
 * Levels are those of the values less the offset.
 * @param first cell
 */
export function createLevel(state: LevelState, first = 0): Level {
  const { memory, share, mean, lowest, highest, low, high, acceptAfter, density, devices } = state;
  const channels = mean.length;
  const densityOf = (channel: number): number => density?.[channel] ?? 1;
  const memories = mean.map((_, j) => memoryOf(memory, densityOf(j)));
  /** Rate at which the share outside follows, by channel. Only values count. */
  const rates = mean.map((_, j) => {
    const values = Math.max(Math.min(acceptAfter, leastValues), acceptAfter * densityOf(j));
    return acceptAfter === 0 ? 0 : 1 - (1 - acceptedShare) ** (1 / values);
  });
  let moved: readonly number[] = none;

  /** The part of a level beyond the range of history that is taken off. */
  function beyondHistory(level: number, channel: number): number {
    return share[channel]! * (level - Math.max(lowest[channel]!, Math.min(highest[channel]!, level)));
  }

  /** The weighted mean of the values outside takes the place of the mean. */
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
        // Whether its level is followed or not: following distorts what swings slowly, and a new normal ends that.
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
