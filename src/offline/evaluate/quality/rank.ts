/** Whether the surprise ranks records as well as its statistics do. */
import { averagePrecision } from './ranking';

export interface RankedSeries {
  labels: Uint8Array;
  /** Surprise. */
  scores: Float64Array;
  /** Statistics that enter the score, by name; NaN for a record without a score. */
  statistics?: Readonly<Record<string, Float64Array>> | undefined;
}

export interface Rank {
  surprise: number;
  /** PR-AUC of each statistic by name. */
  statistics: Record<string, number>;
}

/** PR-AUC of the surprise and of each statistic, over the records that have all of them. Undefined without statistics. */
export function rankOf({ labels, scores, statistics = {} }: RankedSeries): Rank | undefined {
  const columns = Object.entries(statistics);
  if (columns.length === 0) return undefined;
  const rows = Array.from(labels.keys()).filter((row) =>
    columns.every(([, column]) => !Number.isNaN(column[row]!)),
  );
  const labelled = Uint8Array.from(rows, (row) => labels[row]!);
  const precisionOf = (column: Float64Array): number =>
    averagePrecision(
      labelled,
      Float64Array.from(rows, (row) => column[row]!),
    );
  return {
    surprise: precisionOf(scores),
    statistics: Object.fromEntries(columns.map(([name, column]) => [name, precisionOf(column)])),
  };
}

/** Means over the series for which they are defined; statistics that only some series have are left out. */
export function meanRank(all: readonly Rank[]): Rank | undefined {
  const defined = all.filter(({ surprise }) => !Number.isNaN(surprise));
  const [first] = defined;
  if (first === undefined) return undefined;
  const mean = (valueOf: (one: Rank) => number): number =>
    defined.reduce((sum, one) => sum + valueOf(one) / defined.length, 0);
  const shared = Object.keys(first.statistics).filter((name) =>
    defined.every(({ statistics }) => name in statistics),
  );
  return {
    surprise: mean(({ surprise }) => surprise),
    statistics: Object.fromEntries(shared.map((name) => [name, mean(({ statistics }) => statistics[name]!)])),
  };
}
