/** The whole calibration of a model version: each statistic to a p-value, all of them to one, and that to surprise. */
import { logEvidence } from './combine';
import { autocorrelationTime } from './autocorrelation';
import { baselineDrift, underDrift } from './baseline-drift';
import {
  createPValue,
  createSurvival,
  fitCalibration,
  type CalibrationState,
  type PValue,
  type TailShape,
} from './pvalue';

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

/** The calibration of records that are alike. */
export interface SurpriseGroup {
  /** By statistic, in the order in which they are combined. */
  statistics: Readonly<Record<string, StatisticState>>;
  /** Of the combined statistic. */
  combined: CalibrationState;
  /** Independent records that the calibration block is worth. */
  effectiveSize: number;
}

/** Goes into the model version. */
export interface SurpriseState extends SurpriseGroup {
  /**
   * By group, where the target is to hold in each of them (Mondrian conformal prediction: Vovk, Gammerman & Shafer 2005, § 4.5).
   * A group with too few records is not among them: what holds for all is taken for it.
   */
  groups?: Readonly<Record<string, SurpriseGroup>>;
}

/** One value per record in order of time, by name of the statistic. */
export type StatisticColumns = Readonly<Record<string, Float64Array>>;

/** The statistics of one record, in the state's order, to its calibrated p-value. */
export interface SurpriseScale {
  readonly names: readonly string[];
  /**
   * @param levels by how much the statistics whose level is followed are lowered for it, in the order of `bases`
   * @param group that the record is of, where there are any
   */
  pValue(statistics: ArrayLike<number>, levels?: readonly number[], group?: string): PValue;
  /** Calibration scores of the statistics whose level can be followed: those on a logarithmic scale. */
  readonly bases: readonly (readonly number[])[];
  /** Names of these statistics. */
  readonly followed: readonly string[];
  /** Of one record, the statistics whose level can be followed, on that scale. */
  followable(statistics: ArrayLike<number>): number[];
}

/** Records that a group has to have for a calibration of its own: a tail of a tenth of them can then be fitted. */
export const minGroup = 200;

/**
 * @param columns the statistics of the calibration records
 * @param tailShare see `fitCalibration`
 * @param groups of the records, where each is to be calibrated for itself; undefined = of none
 * @param later how long after the calibration block records are judged, in lengths of it (`levelDrift`)
 */
export function fitSurprise(
  columns: StatisticColumns,
  tailShare: number,
  plans: Readonly<Record<string, StatisticPlan>>,
  groups?: readonly (string | undefined)[],
  later = 1,
): SurpriseState {
  const all = fitGroup(columns, tailShare, plans, later);
  if (groups === undefined) return all;
  const rows = new Map<string, number[]>();
  groups.forEach((group, i) => {
    if (group === undefined) return;
    const known = rows.get(group);
    if (known === undefined) rows.set(group, [i]);
    else known.push(i);
  });
  const large = [...rows].filter(([, { length }]) => length >= minGroup);
  const fitted = large.map(([group, of]) => {
    const own = Object.entries(columns).map(([name, column]) => [
      name,
      Float64Array.from(of, (i) => column[i]!),
    ]);
    return [group, fitGroup(Object.fromEntries(own) as StatisticColumns, tailShare, plans, later)];
  });
  return { ...all, groups: Object.fromEntries(fitted) as Record<string, SurpriseGroup> };
}

function fitGroup(
  columns: StatisticColumns,
  tailShare: number,
  plans: Readonly<Record<string, StatisticPlan>>,
  later: number,
): SurpriseGroup {
  const statistics = Object.fromEntries(
    Object.entries(columns).map(([name, column]) => {
      const plan = plans[name]!;
      const scores = column.map((value) => toScale(plan, value));
      const calibration = fitCalibration(scores, tailShare, plan.tail);
      return [name, { plan, calibration, drift: baselineDrift(scores, later) }];
    }),
  );
  // What the calibration block says of itself needs no allowance for drift.
  const combine = createCombination(statistics, false);
  const all = Object.values(columns);
  const n = all[0]?.length ?? 0;
  const combined = new Float64Array(n);
  const row = new Float64Array(all.length);
  for (let i = 0; i < n; i++) {
    all.forEach((column, s) => (row[s] = column[i]!));
    combined[i] = combine(row);
  }
  return {
    statistics,
    combined: fitCalibration(combined, tailShare, 'exponential'),
    effectiveSize: n / autocorrelationTime(combined),
  };
}

export function createSurpriseScale(state: SurpriseState): SurpriseScale {
  const states = Object.values(state.statistics);
  const followed = states.flatMap(({ plan }, i) => (plan.scale === 'log' ? [i] : []));
  const toP = createGroupScale(state);
  const byGroup = new Map(
    Object.entries(state.groups ?? {}).map(([group, own]) => [group, createGroupScale(own)]),
  );
  return {
    names: Object.keys(state.statistics),
    pValue: (statistics, levels, group) =>
      ((group === undefined ? undefined : byGroup.get(group)) ?? toP)(statistics, levels),
    followed: followed.map((i) => Object.keys(state.statistics)[i]!),
    bases: followed.map((i) => states[i]!.calibration.scores),
    followable: (statistics) => followed.map((i) => toScale(states[i]!.plan, statistics[i]!)),
  };
}

function createGroupScale({
  statistics,
  combined,
  effectiveSize,
}: SurpriseGroup): (statistics: ArrayLike<number>, levels?: readonly number[]) => PValue {
  const combine = createCombination(statistics, true);
  const pValue = createPValue(combined, effectiveSize);
  return (values, levels) => pValue(combine(values, levels));
}

/** Least value whose logarithm is taken: a perfect fit is one. */
const smallest = 1e-6;

/** A statistic on the scale on which it is calibrated. */
function toScale({ scale }: StatisticPlan, value: number): number {
  return scale === 'log' ? Math.log(Math.max(value, smallest)) : value;
}

/** @param levels of those statistics that are on a logarithmic scale, in their order */
function createCombination(
  states: SurpriseGroup['statistics'],
  drifting: boolean,
): (statistics: ArrayLike<number>, levels?: readonly number[]) => number {
  const plans = Object.values(states).map(({ plan }) => plan);
  const toP = Object.values(states).map(({ calibration, drift }) =>
    underDrift(createSurvival(calibration), drifting ? drift : 0),
  );
  const weights = plans.map(({ weight }) => weight);
  // One record after the other: nothing is made for any of them.
  const pValues = new Float64Array(plans.length);
  return (statistics, levels) => {
    let place = 0;
    for (let i = 0; i < plans.length; i++) {
      const plan = plans[i]!;
      const level = plan.scale === 'log' ? (levels?.[place++] ?? 0) : 0;
      pValues[i] = toP[i]!(toScale(plan, statistics[i]!) - level);
    }
    return logEvidence(pValues, weights);
  };
}
