/** The whole calibration of a model version: each statistic to a p-value, all of them to one, and that to surprise. */
import { logEvidence } from './combine';
import { createPValue, fitCalibration, type CalibrationState, type PValue, type TailShape } from './pvalue';

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
 * @param shapes of the tails of statistics, where something is known beforehand
 */
export function fitSurprise(
  columns: StatisticColumns,
  tailShare: number,
  shapes: Readonly<Record<string, TailShape>> = {},
): SurpriseState {
  const statistics = Object.fromEntries(
    Object.entries(columns).map(([name, scores]) => [name, fitCalibration(scores, tailShare, shapes[name])]),
  );
  const combine = createCombination(statistics);
  const n = Object.values(columns)[0]?.length ?? 0;
  const combined = new Float64Array(n);
  for (let i = 0; i < n; i++) combined[i] = combine(Object.values(columns).map((column) => column[i]!));
  return { statistics, combined: fitCalibration(combined, tailShare, 'exponential') };
}

export function createSurpriseScale(state: SurpriseState): SurpriseScale {
  const combine = createCombination(state.statistics);
  const pValue = createPValue(state.combined);
  return { names: Object.keys(state.statistics), pValue: (statistics) => pValue(combine(statistics)) };
}

function createCombination(states: SurpriseState['statistics']): (statistics: readonly number[]) => number {
  const toP = Object.values(states).map(createPValue);
  return (statistics) => logEvidence(statistics.map((value, i) => toP[i]!(value).p));
}
