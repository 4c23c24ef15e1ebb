/**
 * Where in the history the records lie that the alarm threshold rests on. A fault among them that nobody has labelled makes faults
 * as rare as itself normal, and no statistic tells it from a plant that does so once a week: a person can.
 */
import type { Interval } from './exclusion';

export interface TailStretch extends Interval {
  /** Records of the tail in it. */
  records: number;
  /** Windows from the first to the last of them. */
  windows: number;
}

/** What a tail rests on. */
export interface TailBasis {
  /** Number of records that it is fitted to. */
  excesses: number;
  /** Number of windows among which they are the largest. */
  windows: number;
  /** Where most of them are; the stretches with the most of them first. */
  stretches: readonly TailStretch[];
}

/** A tail of which a few short stretches hold so much shows what happened there, and not how the plant usually is. */
const few = 3;
const leastShare = 0.8;
const shortShare = 0.05;

/** The stretches that decide a tail, where they are few and short. */
export function decisiveStretches({ excesses, windows, stretches }: TailBasis): readonly TailStretch[] {
  const first = stretches.slice(0, few);
  const sum = (of: 'records' | 'windows'): number => first.reduce((total, one) => total + one[of], 0);
  return sum('records') >= leastShare * excesses && sum('windows') <= shortShare * windows ? first : [];
}

/** The windows of a device, in order of time. Shapes [windows]. */
interface Evidence {
  key: string;
  /** Unix ms. */
  times: Float64Array;
  values: Float64Array;
}

/** Stretches that are listed. */
const mostStretches = 5;

/**
 * The stretches with the most records above the foot of the tail, at most five.
 * @param apart windows between two such records that belong to different stretches
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
