/**
 * Frozen channels and devices: how long a channel repeats its value, against how long it has done so. What is exchangeable is not
 * a record but a run, so that of M runs of history those count that are at least as long. A run is judged at the resolution that
 * its value is written with: a history with nine digits knows what a record with two would repeat.
 */
import type { Values } from '../domain/record';
import type { History } from './level';
import type { Part } from './memory';

/** Runs by length, ascending. */
export interface RunCounts {
  lengths: readonly number[];
  counts: readonly number[];
}

/** The runs of a channel at one resolution. */
interface RunTable {
  all: RunCounts;
  /** Of values that do not rest. */
  rest: RunCounts;
  /** Values that rest again and again, with their own runs. */
  own: readonly { value: number; runs: RunCounts }[];
  /** Share of the values that rest. */
  resting: number;
}

/** Stored in the model version. */
export interface RunState {
  /** By channel, by number of decimals; the last table is that of the values as they are written. */
  channels: readonly (readonly RunTable[])[];
  /** Runs of whole records. */
  whole: RunCounts;
}

const mostDecimals = 6;
const knownValues = 16;
const fewestRuns = 10;

/** Decimals that a value is written with, at most `mostDecimals`. */
function decimalsOf(value: number): number {
  const slack = 1e-9 * Math.max(1, Math.abs(value));
  for (let d = 0, power = 1; d < mostDecimals; d++, power *= 10)
    if (Math.abs(Math.round(value * power) / power - value) <= slack) return d;
  return mostDecimals;
}

function rounded(value: number, decimals: number): number {
  const power = 10 ** decimals;
  return Math.round(value * power) / power;
}

/** @param values shape [rows, channels], raw; NaN = missing */
export function fitRuns(values: Values, channels: number, histories: readonly History[]): RunState {
  const whole: number[] = [];
  for (const { from, to } of histories) {
    let length = 0;
    for (let row = from; row < to; row++) {
      const repeats = row > from && repeatsRow(values, channels, row);
      if (!repeats && length > 0) whole.push(length);
      length = repeats ? length + 1 : 1;
    }
    if (length > 0) whole.push(length);
  }
  return {
    channels: Array.from({ length: channels }, (_, channel) =>
      fitChannel((row) => values[row * channels + channel]!, histories),
    ),
    whole: countRuns(whole),
  };
}

function repeatsRow(values: Values, channels: number, row: number): boolean {
  for (let i = row * channels; i < (row + 1) * channels; i++) {
    const [value, before] = [values[i]!, values[i - channels]!];
    if (value !== before && !(Number.isNaN(value) && Number.isNaN(before))) return false;
  }
  return true;
}

function fitChannel(at: (row: number) => number, histories: readonly History[]): RunTable[] {
  const places: number[] = [];
  for (const { from, to } of histories)
    for (let row = from; row < to; row++) if (!Number.isNaN(at(row))) places.push(decimalsOf(at(row)));
  places.sort((a, b) => a - b);
  const own = places[Math.floor(0.9 * places.length)] ?? 0;
  const tables = Array.from({ length: own }, (_, d) => fitTable((row) => rounded(at(row), d), histories));
  return [...tables, fitTable(at, histories)];
}

function fitTable(at: (row: number) => number, histories: readonly History[]): RunTable {
  const byValue = new Map<number, number[]>();
  const add = (value: number, length: number): void => {
    const known = byValue.get(value);
    if (known === undefined) byValue.set(value, [length]);
    else known.push(length);
  };
  for (const { from, to } of histories) {
    let [value, length] = [NaN, 0];
    for (let row = from; row < to; row++) {
      const next = at(row);
      if (Number.isNaN(next)) continue;
      if (next === value) length++;
      else {
        if (length > 0) add(value, length);
        [value, length] = [next, 1];
      }
    }
    if (length > 0) add(value, length);
  }
  const longest = new Map(
    [...byValue].map(([value, runs]) => [value, runs.reduce((a, b) => Math.max(a, b), 0)]),
  );
  const resting = [...byValue]
    .filter(([value, runs]) => runs.length >= fewestRuns && longest.get(value)! > 1)
    .sort(([a], [b]) => longest.get(b)! - longest.get(a)!);
  const own = resting.slice(0, knownValues);
  const isOwn = new Set(own.map(([value]) => value));
  const rest = [...byValue].filter(([value]) => !isOwn.has(value)).flatMap(([, runs]) => runs);
  return {
    all: countRuns([...byValue.values()].flat()),
    rest: countRuns(rest),
    own: own.map(([value, runs]) => ({ value, runs: countRuns(runs) })),
    resting: resting.length / Math.max(1, byValue.size),
  };
}

/** Runs by their length. @param lengths in any order */
export function countRuns(lengths: readonly number[]): RunCounts {
  const counts = new Map<number, number>();
  for (const length of lengths) counts.set(length, (counts.get(length) ?? 0) + 1);
  const ascending = [...counts.keys()].sort((a, b) => a - b);
  return { lengths: ascending, counts: ascending.map((length) => counts.get(length)!) };
}

/**
 * P(a run is at least as long): (1 + #{runs ≥ length}) / (M + 1) up to the longest run L, (L/length)² / (M + 1) beyond.
 * @returns 1 without any run
 */
export function createRunSurvival({ lengths, counts }: RunCounts): (length: number) => number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const longest = lengths.at(-1) ?? 0;
  return (length) => {
    if (total === 0) return 1;
    if (length > longest) return (longest / length) ** 2 / (total + 1);
    let below = 0;
    for (let i = 0; lengths[i]! < length; i++) below += counts[i]!;
    return (1 + total - below) / (total + 1);
  };
}

/** Above this p a run is no evidence: a channel that rests somewhat longer than usual must not reorder quiet records. */
const silentAbove = 1e-4;

export interface RunLengths extends Part {
  /**
   * Counts a record.
   * @param values raw, from index `from` on; a missing one neither extends nor ends a run
   * @returns the surprise of the runs of the device: that of the least likely channel, or of all together; 0 if it is likely
   */
  step(cells: Float64Array, values: Values, from: number): number;
  /** Records that a channel has repeated its value, and −log10 of the probability of such a run. */
  ofChannel(cells: Float64Array, channel: number): { repeats: number; surprise: number };
}

/** Cells, by channel: value and length of its run; then the run of whole records. */
export function createRunLengths(state: RunState): RunLengths {
  const channels = state.channels.length;
  const survival = state.channels.map((tables) =>
    tables.map(({ all, rest, own, resting }) => {
      const [ofAll, ofRest] = [createRunSurvival(all), createRunSurvival(rest)];
      const ofValue = new Map(own.map(({ value, runs }) => [value, createRunSurvival(runs)]));
      return (value: number, length: number): number =>
        ofValue.get(value)?.(length) ?? (1 - resting) * ofRest(length) + resting * ofAll(length);
    }),
  );
  const ofWhole = createRunSurvival(state.whole);
  const pOf = (channel: number, value: number, length: number): number => {
    const tables = survival[channel]!;
    const decimals = Math.min(decimalsOf(value), tables.length - 1);
    return tables[decimals]!(decimals === tables.length - 1 ? value : rounded(value, decimals), length);
  };
  return {
    size: 2 * channels + 1,
    begin(cells) {
      for (let j = 0; j < channels; j++) cells[2 * j] = NaN;
    },
    step(cells, values, from) {
      let least = 1;
      let isWhole = true;
      for (let j = 0; j < channels; j++) {
        const value = values[from + j]!;
        if (Number.isNaN(value)) continue;
        if (value !== cells[2 * j]) {
          cells[2 * j] = value;
          cells[2 * j + 1] = 1;
          isWhole = false;
          continue;
        }
        const length = ++cells[2 * j + 1]!;
        least = Math.min(least, pOf(j, value, length));
      }
      const whole = (cells[2 * channels] = isWhole ? cells[2 * channels]! + 1 : 1);
      const p = 2 * Math.min(channels * least, whole > 1 ? ofWhole(whole) : 1);
      return p > silentAbove ? 0 : -Math.log10(p);
    },
    ofChannel(cells, channel) {
      const [value, length] = [cells[2 * channel]!, cells[2 * channel + 1]!];
      if (!(length > 1)) return { repeats: 0, surprise: 0 };
      return { repeats: length - 1, surprise: Math.max(0, -Math.log10(pOf(channel, value, length))) };
    },
  };
}
