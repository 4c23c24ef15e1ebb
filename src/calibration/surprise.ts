/** The whole calibration of a model version: each statistic to a p-value, all of them to one, and that to surprise. */
import { cauchyCombination } from './combine';
import { createPValue, fitCalibration, type CalibrationState, type PValue } from './pvalue';

/** Goes into the model version as calibration.json. */
export interface SurpriseState {
  /** By statistic, in the order in which they are combined. */
  statistics: Readonly<Record<string, CalibrationState>>;
  /** Of the combined statistic. */
  combined: CalibrationState;
}

/** One value per record, by name of the statistic. */
export type StatisticColumns = Readonly<Record<string, Float64Array>>;

/** The statistics of one record, in the state's order, to its calibrated p-value. */
export interface SurpriseScale {
  readonly names: readonly string[];
  pValue(statistics: readonly number[]): PValue;
}

/**
 * @param columns the statistics of the calibration records
 * @param tailShare see `fitCalibration`
 */
export function fitSurprise(columns: StatisticColumns, tailShare: number): SurpriseState {
  const statistics = Object.fromEntries(
    Object.entries(columns).map(([name, scores]) => [name, fitCalibration(scores, tailShare)]),
  );
  const combine = createCombination(statistics);
  const n = Object.values(columns)[0]?.length ?? 0;
  const combined = new Float64Array(n);
  for (let i = 0; i < n; i++) combined[i] = combine(Object.values(columns).map((column) => column[i]!));
  return { statistics, combined: fitCalibration(combined, tailShare) };
}

export function createSurpriseScale(state: SurpriseState): SurpriseScale {
  const combine = createCombination(state.statistics);
  const pValue = createPValue(state.combined);
  return { names: Object.keys(state.statistics), pValue: (statistics) => pValue(combine(statistics)) };
}

/**
 * The combined statistic: log of the Cauchy combination above 1, linear below. The raw combination has a tail
 * without a mean, which no Pareto fit likes; its logarithm has an exponential one, and order is all that counts.
 */
function createCombination(states: SurpriseState['statistics']): (statistics: readonly number[]) => number {
  const toP = Object.values(states).map(createPValue);
  return (statistics) => {
    const cauchy = cauchyCombination(statistics.map((value, i) => toP[i]!(value).p));
    return cauchy > 1 ? 1 + Math.log(cauchy) : cauchy;
  };
}
