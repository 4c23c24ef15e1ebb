/**
 * The stretches of the history whose records determine the alarm threshold. An unlabelled fault among them makes faults that
 * are as rare seem normal. No statistic can distinguish it from normal behaviour that occurs once a week, but a person can.
 */
import type { Interval } from './exclusion';

export interface TailStretch extends Interval {
  /** Number of records of the tail in the stretch. */
  records: number;
  /** Number of windows from the first to the last of them. */
  windows: number;
}

/** The records that a tail was fitted to. */
export interface TailBasis {
  /** Number of those records. */
  excesses: number;
  /** Number of windows among which they are the largest. */
  windows: number;
  /** Stretches that contain the most of them, the largest first. */
  stretches: readonly TailStretch[];
}

/**
 * If most of a tail is in at most this many short stretches, the tail shows what happened there, not how the plant usually
 * behaves.
 */
const few = 3;
const leastShare = 0.8;
const shortShare = 0.05;

/** The stretches that determine a tail, if they are few and short. */
export function decisiveStretches({ excesses, windows, stretches }: TailBasis): readonly TailStretch[] {
  const first = stretches.slice(0, few);
  const sum = (of: 'records' | 'windows'): number => first.reduce((total, one) => total + one[of], 0);
  return sum('records') >= leastShare * excesses && sum('windows') <= shortShare * windows ? first : [];
}

/** Evidence of the windows of a device, in order of time. Shapes [windows]. */
interface Evidence {
  key: string;
  /** Unix ms. */
  times: Float64Array;
  values: Float64Array;
}

/** Maximum number of stretches that are listed. */
const mostStretches = 5;

/**
 * The stretches with the most records above the foot of the tail, at most five.
 * @param apart two such records with this many windows between them belong to different stretches
 */
export function tailStretches(devices: Iterable<Evidence>, foot: number, apart: number): TailStretch[] {
  const stretches: TailStretch[] = [];
  for (const { key, times, values } of devices) {
    let last = -Infinity;
    values.forEach((value, i) => {
      if (!(value > foot)) return;
      const time = times[i]!;
      const isNear = i - last <= apart;
      if (!isNear) stretches.push({ key, from: time, to: time, records: 0, windows: 0 });
      const stretch = stretches.at(-1)!;
      stretch.to = time;
      stretch.records++;
      stretch.windows += isNear ? i - last : 1;
      last = i;
    });
  }
  return stretches.sort((a, b) => b.records - a.records).slice(0, mostStretches);
}
