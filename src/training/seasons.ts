/**
 * Seasons of a history: whether a channel depends on the hour of the day or the day of the week. The test compares changes from
 * one bin of time to the next, because two stretches of a random walk often resemble each other in their levels, but not in
 * their steps. The mean steps of the older half are tested on the newer half.
 */
import { createPhase } from '../domain/condition';
import type { ConditionSpec, TimeConditionSpec } from '../domain/record';
import type { Dataset } from './dataset';

type SeasonKind = TimeConditionSpec['kind'];

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

interface Season {
  kind: SeasonKind;
  periodMs: number;
  /** Number of bins of a period. */
  bins: number;
  /** Number of bins of a shorter season, whose steps are subtracted; 1 = none. */
  within: number;
}

const seasons: readonly Season[] = [
  { kind: 'hour-of-day', periodMs: dayMs, bins: 24, within: 1 },
  { kind: 'day-of-week', periodMs: 7 * dayMs, bins: 28, within: 4 },
];

/** Least number of periods in a history with a season. */
const minPeriods = 2;

/** Least share of the varying channels that must have a season: among many channels, one seems to have it by chance. */
const minShare = 0.1;

/**
 * Least share of the variance of the newer steps that the older ones must explain: a quarter for two periods, and less for
 * longer histories. By chance they explain nothing on average, with a deviation that decreases with the number of periods.
 */
function minGain(periods: number): number {
  return 0.05 + 0.4 / periods;
}

/**
 * Conditions derived from the seasons of the channels.
 * @param known kinds that are conditions already
 */
export function findSeasons(
  dataset: Dataset,
  known: readonly ConditionSpec['kind'][],
  timeZone: string,
): TimeConditionSpec[] {
  return seasons
    .filter(({ kind }) => !known.includes(kind))
    .filter((season) => hasSeason(dataset, season, timeZone))
    .map(({ kind }) => ({ name: kind, kind, timeZone }));
}

function hasSeason(dataset: Dataset, season: Season, timeZone: string): boolean {
  const { timestamps, shape } = dataset;
  let [first, last] = [Infinity, -Infinity];
  for (const time of timestamps) {
    first = Math.min(first, time);
    last = Math.max(last, time);
  }
  const periods = (last - first) / season.periodMs;
  if (!(periods >= minPeriods)) return false;
  const phaseOf = createPhase({ name: season.kind, kind: season.kind, timeZone });
  const binOf = (time: number): number => Math.floor(phaseOf(time) * season.bins);
  const middle = (first + last) / 2;
  const gains = Array.from({ length: shape.channels }, (_, channel) =>
    gainOf(stepsOf(dataset, channel, season, binOf), season, middle),
  );
  const varying = gains.filter((gain) => gain !== 0).length;
  const seasonal = gains.filter((gain) => gain >= minGain(periods)).length;
  return seasonal > 0 && seasonal >= minShare * varying;
}

/** The change of a channel's mean from one bin of time to the next. */
interface Step {
  time: number;
  /** Bin of the period at the end of the step. */
  bin: number;
  change: number;
}

function stepsOf(
  { values, timestamps, starts, shape }: Dataset,
  channel: number,
  { periodMs, bins }: Season,
  binOf: (time: number) => number,
): Step[] {
  const binMs = periodMs / bins;
  const steps: Step[] = [];
  let before: { bin: number; mean: number; from: number } | undefined;
  let current = { bin: -1, from: NaN, sum: 0, n: 0 };

  function finish(): void {
    const { bin, from, sum, n } = current;
    if (n === 0) return;
    const mean = sum / n;
    if (before !== undefined && bin === (before.bin + 1) % bins && from - before.from < 2 * binMs)
      steps.push({ time: from, bin, change: mean - before.mean });
    before = { bin, mean, from };
    current = { bin: -1, from: NaN, sum: 0, n: 0 };
  }

  const isStart = new Set(starts);
  for (let row = 0; row < timestamps.length; row++) {
    if (isStart.has(row)) {
      finish();
      before = undefined;
    }
    const value = values[row * shape.channels + channel]!;
    if (Number.isNaN(value)) continue;
    const bin = binOf(timestamps[row]!);
    if (bin !== current.bin) {
      finish();
      current = { bin, from: timestamps[row]!, sum: 0, n: 0 };
    }
    current.sum += value;
    current.n++;
  }
  finish();
  return steps;
}

/** How much better the mean steps of the older half predict the newer half than those of the shorter season do. */
function gainOf(steps: readonly Step[], { bins, within }: Season, middle: number): number {
  const older = steps.filter(({ time }) => time < middle);
  const meanOf = meanByPhase(older, bins);
  const shorterOf = within === 1 ? () => 0 : meanByPhase(older, within);
  let [left, all] = [0, 0];
  for (const { time, bin, change } of steps) {
    if (time < middle) continue;
    all += (change - shorterOf(bin)) ** 2;
    left += (change - meanOf(bin)) ** 2;
  }
  return all > 0 ? 1 - left / all : 0;
}

/** Mean step to each phase of a period of `bins` bins; 0 without a step. */
function meanByPhase(steps: readonly Step[], bins: number): (bin: number) => number {
  const sums = new Float64Array(bins);
  const counts = new Float64Array(bins);
  for (const { bin, change } of steps) {
    sums[bin % bins]! += change;
    counts[bin % bins]!++;
  }
  return (bin) => sums[bin % bins]! / Math.max(1, counts[bin % bins]!);
}
