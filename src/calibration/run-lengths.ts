/**
 * Frozen channels and devices: for how long a channel repeats its value, compared with the history. The exchangeable unit is a
 * run, not a record, so of the M runs of the history, those that are at least as long count. A run is compared at the
 * resolution of its values: a history with nine digits shows how often values would repeat with two.
 */
import type { Values } from '../domain/record';
import type { History } from './level';
import type { Part } from './memory';
import { survival } from './survival';

/** Runs by length, ascending. */
export interface RunCounts {
  lengths: readonly number[];
  counts: readonly number[];
}

/** The runs of a channel at one resolution. */
interface RunTable {
  all: RunCounts;
  /** Runs of values that are not resting values. */
  rest: RunCounts;
  /** Resting values, which occur in long runs again and again, with their own runs. */
  own: readonly { value: number; runs: RunCounts }[];
  /** Share of the values that are resting values. */
  resting: number;
}

/** Stored in the model version. */
export interface RunState {
  /** By channel, then by number of decimals. The last table has the values as they are written. */
  channels: readonly (readonly RunTable[])[];
  /** Runs of whole records, by the number of decimals that every channel has lost. */
  whole: readonly RunCounts[];
}

const mostDecimals = 6;
const knownValues = 16;
const fewestRuns = 10;

/** Number of decimals with which a value is written, at most `mostDecimals`. */
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
  const tables = Array.from({ length: channels }, (_, channel) =>
    fitChannel((row) => values[row * channels + channel]!, histories),
  );
  const finest = tables.reduce((most, { length }) => Math.max(most, length), 1);
  return {
    channels: tables,
    whole: Array.from({ length: finest }, (_, lost) => fitWhole(values, tables, lost, histories)),
  };
}

function fitWhole(
  values: Values,
  tables: readonly { length: number }[],
  lost: number,
  histories: readonly History[],
): RunCounts {
  const channels = tables.length;
  const lengths: number[] = [];
  const cells = new Float64Array(2 * channels + 1);
  const record = new Float64Array(channels);
  for (const { from, to } of histories) {
    cells.fill(0);
    beginRuns(cells, 0, channels);
    for (let row = from; row < to; row++) {
      for (let j = 0; j < channels; j++) {
        const value = values[row * channels + j]!;
        record[j] = lost === 0 ? value : rounded(value, Math.max(0, tables[j]!.length - 1 - lost));
      }
      const before = cells[2 * channels]!;
      countRun(cells, 0, channels, record, 0);
      if (before > 0 && cells[2 * channels] === 1) lengths.push(before);
    }
    if (cells[2 * channels]! > 0) lengths.push(cells[2 * channels]!);
  }
  return countRuns(lengths);
}

/** Cells from index `at` on, by channel: value and length of its run; then the run of whole records. */
function beginRuns(cells: Float64Array, at: number, channels: number): void {
  for (let j = 0; j < channels; j++) cells[at + 2 * j] = NaN;
}

/** Counts a record. A missing value neither extends nor ends a run; neither does a record without values. */
function countRun(
  cells: Float64Array,
  at: number,
  channels: number,
  values: ArrayLike<number>,
  from: number,
): void {
  const whole = at + 2 * channels;
  let isEmpty = true;
  let repeats = true;
  for (let j = 0; j < channels; j++) {
    const value = values[from + j]!;
    if (Number.isNaN(value)) continue;
    const own = at + 2 * j;
    isEmpty = false;
    if (value === cells[own]) {
      cells[own + 1]!++;
      continue;
    }
    cells[own] = value;
    cells[own + 1] = 1;
    repeats = false;
  }
  if (!isEmpty) cells[whole] = repeats ? cells[whole]! + 1 : 1;
}

function fitChannel(at: (row: number) => number, histories: readonly History[]): RunTable[] {
  /** Number of values by their decimals. */
  const values = new Array<number>(mostDecimals + 1).fill(0);
  let total = 0;
  for (const { from, to } of histories) {
    for (let row = from; row < to; row++) {
      if (Number.isNaN(at(row))) continue;
      values[decimalsOf(at(row))]!++;
      total++;
    }
  }
  let own = 0;
  for (let most = values[0]!; own < mostDecimals && most <= 0.9 * total && total > 0; most += values[own]!)
    own++;
  const tables = Array.from({ length: own }, (_, d) => fitTable((row) => rounded(at(row), d), histories));
  return [...tables, fitTable(at, histories)];
}

function fitTable(at: (row: number) => number, histories: readonly History[]): RunTable {
  const rows = histories.reduce((sum, { from, to }) => sum + to - from, 0);
  const values = new Float64Array(rows);
  const lengths = new Float64Array(rows);
  let runs = 0;
  for (const { from, to } of histories) {
    let isNew = true;
    for (let row = from; row < to; row++) {
      const value = at(row);
      if (Number.isNaN(value)) continue;
      if (isNew || value !== values[runs - 1]) values[runs++] = value;
      lengths[runs - 1]!++;
      isNew = false;
    }
  }
  // Of the many values of a history, few are frequent; those are found by sorting.
  const sorted = values.slice(0, runs).sort();
  const frequent = new Map<number, number[]>();
  let distinct = 0;
  for (let i = 0, next = 0; i < runs; i = next) {
    while (next < runs && sorted[next] === sorted[i]) next++;
    if (next - i >= fewestRuns) frequent.set(sorted[i]!, []);
    distinct++;
  }
  if (frequent.size > 0) for (let i = 0; i < runs; i++) frequent.get(values[i]!)?.push(lengths[i]!);
  const resting = [...frequent]
    .map(([value, of]) => ({ value, of, longest: of.reduce((a, b) => Math.max(a, b)) }))
    .filter(({ longest }) => longest > 1)
    .sort((a, b) => b.longest - a.longest);
  const own = resting.slice(0, knownValues);
  const isOwn = new Set(own.map(({ value }) => value));
  return {
    all: countRuns(lengths.subarray(0, runs)),
    rest: countRuns(lengths.subarray(0, runs).filter((_, i) => !isOwn.has(values[i]!))),
    own: own.map(({ value, of }) => ({ value, runs: countRuns(of) })),
    resting: resting.length / Math.max(1, distinct),
  };
}

/** Counts of runs by length. @param lengths in any order */
function countRuns(lengths: readonly number[] | Float64Array): RunCounts {
  const counts = new Map<number, number>();
  for (const length of lengths) counts.set(length, (counts.get(length) ?? 0) + 1);
  const ascending = [...counts.keys()].sort((a, b) => a - b);
  return { lengths: ascending, counts: ascending.map((length) => counts.get(length)!) };
}

/** The probability that a run is at least as long; 1 if the history has no runs. */
function createRunSurvival({ lengths, counts }: RunCounts): (length: number) => number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const longest = lengths.at(-1) ?? 0;
  return (length) => {
    if (total === 0) return 1;
    let below = 0;
    for (let i = 0; lengths[i]! < length; i++) below += counts[i]!;
    return survival(length, total, longest, total - below);
  };
}

/** Above this p-value a run is no evidence: a channel that rests somewhat longer than usual must not reorder quiet records. */
const silentAbove = 1e-4;

export interface RunLengths extends Part {
  /**
   * Counts a record.
   * @param values as measured, from index `from` on; a missing one neither extends nor ends a run, and a record without values
   * is ignored
   * @returns the surprise of the least likely run, of a channel or of the whole record; 0 if it is likely
   */
  step(cells: Float64Array, values: Values, from: number): number;
  /** Number of records in which a channel has repeated its value, and −log10 of the probability of such a run. */
  ofChannel(cells: Float64Array, channel: number): { repeats: number; surprise: number };
}

/** @param at index of the first cell */
export function createRunLengths(state: RunState, at = 0): RunLengths {
  const channels = state.channels.length;
  const whole = at + 2 * channels;
  const resting = state.channels.map((tables) => new Set(tables.at(-1)!.own.map(({ value }) => value)));
  const survival = state.channels.map((tables) =>
    tables.map(({ all, rest, own, resting: share }) => {
      const [ofAll, ofRest] = [createRunSurvival(all), createRunSurvival(rest)];
      const ofValue = new Map(own.map(({ value, runs }) => [value, createRunSurvival(runs)]));
      return (value: number, length: number): number =>
        ofValue.get(value)?.(length) ?? (1 - share) * ofRest(length) + share * ofAll(length);
    }),
  );
  const ofWhole = state.whole.map(createRunSurvival);
  const pOf = (channel: number, value: number, length: number): number => {
    const tables = survival[channel]!;
    const decimals = Math.min(decimalsOf(value), tables.length - 1);
    return tables[decimals]!(decimals === tables.length - 1 ? value : rounded(value, decimals), length);
  };

  /**
   * Number of decimals that the newest values have lost compared with the history: the largest number that is no coincidence,
   * as one value in 10^k ends with k zeros. A resting value of the history has lost none.
   */
  const lostBy = new Int32Array(mostDecimals + 1);
  const possible = new Int32Array(mostDecimals + 1);
  function lostDecimals(cells: Float64Array): number {
    lostBy.fill(0);
    possible.fill(0);
    for (let j = 0; j < channels; j++) {
      const value = cells[at + 2 * j]!;
      if (Number.isNaN(value)) continue;
      const own = survival[j]!.length - 1;
      for (let k = 1; k <= own; k++) possible[k]!++;
      if (resting[j]!.has(value)) continue;
      for (let k = own - decimalsOf(value); k > 0; k--) lostBy[k]!++;
    }
    let lost = ofWhole.length - 1;
    while (lost > 0 && lostBy[lost]! <= 2 * possible[lost]! * 10 ** -lost) lost--;
    return lost;
  }

  return {
    size: 2 * channels + 1,
    begin: (cells) => beginRuns(cells, at, channels),
    step(cells, values, from) {
      countRun(cells, at, channels, values, from);
      let least = 1;
      for (let j = 0; j < channels; j++) {
        const own = at + 2 * j;
        if (cells[own + 1]! > 1 && !Number.isNaN(values[from + j]!))
          least = Math.min(least, pOf(j, cells[own]!, cells[own + 1]!));
      }
      const run = cells[whole]!;
      const p = 2 * Math.min(channels * least, run > 1 ? ofWhole[lostDecimals(cells)]!(run) : 1);
      return p > silentAbove ? 0 : -Math.log10(p);
    },
    ofChannel(cells, channel) {
      const [value, length] = [cells[at + 2 * channel]!, cells[at + 2 * channel + 1]!];
      if (!(length > 1)) return { repeats: 0, surprise: 0 };
      return { repeats: length - 1, surprise: Math.max(0, -Math.log10(pOf(channel, value, length))) };
    },
  };
}
