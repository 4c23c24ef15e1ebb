/** The calibration of a model version: each statistic to a p-value, and their combination to one. */
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

/** How a statistic is calibrated. */
export interface StatisticPlan {
  /** `log`: it changes by factors, as a sum of squares does, so that its logarithm is calibrated. */
  scale: 'linear' | 'log';
  tail: TailShape;
  /** Weight in the combination: with 0.1 a p-value ten times smaller is the same evidence. */
  weight: number;
}

export interface StatisticState {
  plan: StatisticPlan;
  calibration: CalibrationState;
  /** Standard deviation of its baseline while the version is used, on the scale that is calibrated. */
  drift: number;
}

/** The calibration of a group of records. */
export interface SurpriseGroup {
  /** By statistic, in the order of the combination. */
  statistics: Readonly<Record<string, StatisticState>>;
  /** Calibration of the combined statistic. */
  combined: CalibrationState;
  /** Number of independent records that the calibration block is worth. */
  effectiveSize: number;
}

/** Stored in the model version. */
export interface SurpriseState extends SurpriseGroup {
  /**
   * Separate calibrations, so that the target holds in each group (Mondrian conformal prediction: Vovk, Gammerman & Shafer
   * 2005, § 4.5). A group with too few records is absent and uses the common calibration.
   */
  groups?: Readonly<Record<string, SurpriseGroup>>;
}

/** One value per record in order of time, by name of the statistic. */
export type StatisticColumns = Readonly<Record<string, Float64Array>>;

export type SurpriseScale = ReturnType<typeof createSurpriseScale>;

/** Least records of a group with its own calibration: a tail of a tenth of them can be fitted. */
export const minGroup = 200;

/**
 * @param columns the statistics of the calibration records
 * @param tailShare see `fitCalibration`
 * @param groups of the records, to calibrate each separately; undefined = no group
 * @param later mean time from calibration to use, in lengths of the calibration block (`baselineDrift`)
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
    const own: Record<string, Float64Array> = {};
    for (const name in columns) own[name] = Float64Array.from(of, (i) => columns[name]![i]!);
    return [group, fitGroup(own, tailShare, plans, later)] as const;
  });
  return { ...all, groups: Object.fromEntries(fitted) };
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
  // Within the calibration block there is no drift since calibration.
  const combine = createCombination(statistics, false);
  const all = Object.values(columns);
  const combined = (all[0] ?? new Float64Array()).map((_, i) => combine(all.map((column) => column[i]!)));
  return {
    statistics,
    combined: fitCalibration(combined, tailShare, 'exponential'),
    effectiveSize: combined.length / autocorrelationTime(combined),
  };
}

/** From the statistics of a record, in the order of the state, to its p-value. */
export function createSurpriseScale(state: SurpriseState) {
  const states = Object.values(state.statistics);
  const followed = states.flatMap(({ plan }, i) => (plan.scale === 'log' ? [i] : []));
  const toP = createGroupScale(state);
  const byGroup = new Map(
    Object.entries(state.groups ?? {}).map(([group, own]) => [group, createGroupScale(own)]),
  );
  return {
    names: Object.keys(state.statistics),
    /**
     * @param baselines what to subtract from the statistics that have a baseline, in the order of `bases`
     * @param group of the record, if it has one
     */
    pValue: (statistics: ArrayLike<number>, baselines?: readonly number[], group?: string): PValue =>
      ((group === undefined ? undefined : byGroup.get(group)) ?? toP)(statistics, baselines),
    /** Names of the statistics that can have a baseline: those on a logarithmic scale. */
    followed: followed.map((i) => Object.keys(state.statistics)[i]!),
    /** Calibration scores of these statistics. */
    bases: followed.map((i) => states[i]!.calibration.scores),
    /** Values of these statistics of one record, on that scale. */
    followable: (statistics: ArrayLike<number>): number[] =>
      followed.map((i) => toScale(states[i]!.plan, statistics[i]!)),
  };
}

function createGroupScale({ statistics, combined, effectiveSize }: SurpriseGroup) {
  const combine = createCombination(statistics, true);
  const pValue = createPValue(combined, effectiveSize);
  return (values: ArrayLike<number>, baselines?: readonly number[]) => pValue(combine(values, baselines));
}

/** Lower bound before the logarithm; a perfect fit has 0. */
const smallest = 1e-6;

/** A statistic on the scale that is calibrated. */
function toScale({ scale }: StatisticPlan, value: number): number {
  return scale === 'log' ? Math.log(Math.max(value, smallest)) : value;
}

/** @param drifting whether to allow for the drift since calibration */
function createCombination(states: SurpriseGroup['statistics'], drifting: boolean) {
  const plans = Object.values(states).map(({ plan }) => plan);
  const toP = Object.values(states).map(({ calibration, drift }) =>
    underDrift(createSurvival(calibration), drifting ? drift : 0),
  );
  const weights = plans.map(({ weight }) => weight);
  // Reused, so that a record allocates nothing.
  const pValues = new Float64Array(plans.length);
  return (statistics: ArrayLike<number>, baselines?: readonly number[]): number => {
    let place = 0;
    for (let i = 0; i < plans.length; i++) {
      const plan = plans[i]!;
      const baseline = plan.scale === 'log' ? (baselines?.[place++] ?? 0) : 0;
      pValues[i] = toP[i]!(toScale(plan, statistics[i]!) - baseline);
    }
    return logEvidence(pValues, weights);
  };
}
