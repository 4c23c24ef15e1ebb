/** How unusual a silence of a device is, given the gaps between records in the history. */
import { survival } from './survival';

/** Gaps in units of the device's own interval. */
export interface GapStatistics {
  /** Number of gaps. */
  count: number;
  /** The longest gaps, longest first. */
  longest: readonly number[];
}

/** Maximum number of gaps that are stored. For any longer gap, the number of gaps at least as long is known. */
const keptGaps = 1000;

/** Share of the false-alarm target that is reserved for silences. */
const weight = 0.02;

/** Least length of a silence, in intervals: one or two records may be lost. */
const leastSilence = 3;

/** Collects gaps in bounded memory. */
export function createGapCounter() {
  const longest: number[] = [];
  let count = 0;
  const keepLongest = (): void => {
    longest.sort((a, b) => b - a).splice(keptGaps);
  };
  return {
    add(length: number): void {
      count++;
      longest.push(length);
      if (longest.length > 100 * keptGaps) keepLongest();
    },
    /** Undefined if there was no gap. */
    statistics(): GapStatistics | undefined {
      if (count === 0) return undefined;
      keepLongest();
      return { count, longest: longest.map((length) => Number(length.toPrecision(4))) };
    },
  };
}

export type SilenceScale = ReturnType<typeof createSilenceScale>;

/** Scale of surprise for silences, whose length is in intervals. */
export function createSilenceScale({ count, longest }: GapStatistics) {
  const longestGap = Math.max(leastSilence, longest[0] ?? 0);
  const isCut = longest.length < count;
  return {
    /** Surprise of a silence, ≥ 0. */
    surpriseAt(length: number): number {
      if (length < leastSilence) return 0;
      const rank = longest.findIndex((gap) => gap < length);
      const atLeast = rank === -1 ? longest.length : rank;
      // All stored gaps are longer, so the number of gaps at least as long is not known.
      if (isCut && atLeast === longest.length) return 0;
      const p = survival(length, count, longestGap, atLeast);
      return Math.max(0, Math.log10(weight) - Math.log10(p));
    },
    /** Shortest length with at least this surprise, which is above 0. */
    lengthAt(surprise: number): number {
      const logLimit = Math.log10(weight) - surprise + Math.log10(count + 1);
      // The length exceeds the longest gap, where a power law extrapolates.
      if (logLimit < 0) return longestGap * 10 ** (-logLimit / 2);
      const allowed = Math.floor(10 ** logLimit + 1e-9) - 1;
      const next = longest[Math.min(allowed, longest.length - 1)] ?? 0;
      return Math.max(leastSilence, next * (1 + 1e-9));
    },
  };
}
