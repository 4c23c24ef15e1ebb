/** Calibration of a group of records: the evidence of their statistics, its tail, and its tail above the baseline of each device. */
import { autocorrelationTime } from '../calibration/autocorrelation';
import { createBaseline, fitBaseline, type BaselineState } from '../calibration/baseline';
import { createEvidence, fitStandard, type EvidenceState } from '../calibration/evidence';
import type { SurpriseGroup } from '../calibration/surprise';
import { fitTail } from '../calibration/tail';
import { scaleOf } from '../scoring/statistics';
import { devicesIn, take, type Device } from './device-places';

/** A calibrated group, and the evidence that its calibration depends on. */
export interface FittedGroup {
  group: SurpriseGroup;
  baseline: BaselineState;
  /** Evidence of the group's records in the calibration block, and of those before it. */
  values: Float64Array;
  earlier: Float64Array;
  /** Autocorrelation time of `values`, in records. */
  tau: number;
}

/** @param block positions of the group in the calibration block, ascending. @param before positions before the block */
export type FitGroup = (block: Int32Array, before: Int32Array) => FittedGroup;

/**
 * @param columns statistics of the history, by name
 * @param names of the statistics in the evidence
 * @param baselineRecords records of a baseline; 0 = no baseline
 */
export function createGroupFit(
  columns: Readonly<Record<string, Float64Array>>,
  names: readonly string[],
  devices: readonly Device[],
  baselineRecords: number,
): FitGroup {
  return (block, before) => {
    const evidence: EvidenceState = Object.fromEntries(
      names.map((name) => [name, fitStandard(take(columns[name]!, block), scaleOf(name))]),
    );
    const values = evidenceOf(evidence, columns, block);
    const earlier = evidenceOf(evidence, columns, before);
    const tau = autocorrelationTime(values);
    const within = devicesIn(devices, block);
    const byDevice = new Map(within.map(({ key, from, to }) => [key, values.subarray(from, to)]));
    const baseline = fitBaseline(values, baselineRecords, byDevice);
    return {
      group: {
        evidence,
        tail: fitTail(values, earlier),
        aboveBaseline: fitTail(
          aboveBaseline(values, within, baseline),
          aboveBaseline(earlier, devicesIn(devices, before), baseline),
        ),
        effectiveSize: Math.max(1, values.length / tau),
      },
      baseline,
      values,
      earlier,
      tau,
    };
  };
}

function evidenceOf(
  state: EvidenceState,
  columns: Readonly<Record<string, Float64Array>>,
  places: Int32Array,
): Float64Array {
  const evidence = createEvidence(state);
  const of = Object.keys(state).map((name) => columns[name]!);
  return Float64Array.from(places, (place) => evidence(of.map((column) => column[place]!)));
}

/** The evidence minus the rise of its baseline, which is computed over the records of each device. */
function aboveBaseline(
  evidence: Float64Array,
  devices: readonly Device[],
  state: BaselineState,
): Float64Array {
  const baseline = createBaseline(state);
  const above = new Float64Array(evidence.length);
  for (const { key, from, to } of devices) {
    const cells = new Float64Array(baseline.size);
    baseline.begin(cells, key);
    for (let i = from; i < to; i++) above[i] = evidence[i]! - baseline.observe(cells, evidence[i]!);
  }
  return above;
}
