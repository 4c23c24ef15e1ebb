/** The whole calibration of a model version: each statistic to a p-value, all of them to one, and that to surprise. */
import { logEvidence } from './combine';
import { autocorrelationTime } from './autocorrelation';
import { levelDrift, underDrift } from './level-drift';
import { createPValue, fitCalibration, type CalibrationState, type PValue, type TailShape } from './pvalue';

/** What is known of a statistic before any of it is seen. */
export interface StatisticPlan {
  /** `log`: its level moves by factors, as that of a sum of squares does, and its logarithm is calibrated. */
  scale: 'linear' | 'log';
  tail: TailShape;
  /** Of its evidence in the combination: what has 0.1 needs a p-value ten times smaller to say the same. */
  weight: number;
}

export interface StatisticState {
  plan: StatisticPlan;
  calibration: CalibrationState;
  /** Standard deviation of its level by the time it is asked for, on the scale that is calibrated. */
  drift: number;
}

/** Goes into the model version. */
export interface SurpriseState {
  /** By statistic, in the order in which they are combined. */
  statistics: Readonly<Record<string, StatisticState>>;
  /** Of the combined statistic. */
  combined: CalibrationState;
  /** Independent records that the calibration block is worth. */
  effectiveSize: number;
}

/** One value per record in order of time, by name of the statistic. */
export type StatisticColumns = Readonly<Record<string, Float64Array>>;

/** The statistics of one record, in the state's order, to its calibrated p-value. */
export interface SurpriseScale {
  readonly names: readonly string[];
  /** @param levels by how much the statistics whose level is followed are lowered for it, in the order of `bases` */
  pValue(statistics: readonly number[], levels?: readonly number[]): PValue;
  /** Calibration scores of the statistics whose level can be followed: those on a logarithmic scale. */
  readonly bases: readonly (readonly number[])[];
  /** Names of these statistics. */
  readonly followed: readonly string[];
  /** Of one record, the statistics whose level can be followed, on that scale. */
  followable(statistics: readonly number[]): number[];
}

/**
 * @param columns the statistics of the calibration records
 * @param tailShare see `fitCalibration`
 */
export function fitSurprise(
  columns: StatisticColumns,
  tailShare: number,
  plans: Readonly<Record<string, StatisticPlan>>,
): SurpriseState {
  const statistics = Object.fromEntries(
    Object.entries(columns).map(([name, column]) => {
      const plan = plans[name]!;
      const scores = column.map((value) => toScale(plan, value));
      const calibration = fitCalibration(scores, tailShare, plan.tail);
      return [name, { plan, calibration, drift: levelDrift(scores) }];
    }),
  );
  // What the calibration block says of itself needs no allowance for drift.
  const combine = createCombination(statistics, false);
  const n = Object.values(columns)[0]?.length ?? 0;
  const combined = new Float64Array(n);
  for (let i = 0; i < n; i++) combined[i] = combine(Object.values(columns).map((column) => column[i]!));
  return {
    statistics,
    combined: fitCalibration(combined, tailShare, 'exponential'),
    effectiveSize: n / autocorrelationTime(combined),
  };
}

export function createSurpriseScale(state: SurpriseState): SurpriseScale {
  const combine = createCombination(state.statistics, true);
  const pValue = createPValue(state.combined, state.effectiveSize);
  const states = Object.values(state.statistics);
  const followed = states.flatMap(({ plan }, i) => (plan.scale === 'log' ? [i] : []));
  /** Where each statistic stands among those that are followed. */
  const places = states.map((_, i) => followed.indexOf(i));
  return {
    names: Object.keys(state.statistics),
    pValue: (statistics, levels) =>
      pValue(
        combine(statistics, levels === undefined ? undefined : places.map((place) => levels[place] ?? 0)),
      ),
    followed: followed.map((i) => Object.keys(state.statistics)[i]!),
    bases: followed.map((i) => states[i]!.calibration.scores),
    followable: (statistics) => followed.map((i) => toScale(states[i]!.plan, statistics[i]!)),
  };
}

/** Least value whose logarithm is taken: a perfect fit is one. */
const smallest = 1e-6;

/** A statistic on the scale on which it is calibrated. */
function toScale({ scale }: StatisticPlan, value: number): number {
  return scale === 'log' ? Math.log(Math.max(value, smallest)) : value;
}

function createCombination(
  states: SurpriseState['statistics'],
  drifting: boolean,
): (statistics: readonly number[], levels?: readonly number[]) => number {
  const parts = Object.values(states).map(({ plan, calibration, drift }) => {
    const pValue = createPValue(calibration);
    return { plan, toP: underDrift((score) => pValue(score).p, drifting ? drift : 0) };
  });
  const weights = parts.map(({ plan }) => plan.weight);
  return (statistics, levels) =>
    logEvidence(
      parts.map(({ plan, toP }, i) => toP(toScale(plan, statistics[i]!) - (levels?.[i] ?? 0))),
      weights,
    );
}
