/** Calibration of a trained model on the newest block of windows. */
import { autocorrelationTime } from '../calibration/autocorrelation';
import {
  createSurpriseScale,
  fitSurprise,
  type StatisticColumns,
  type SurpriseState,
} from '../calibration/surprise';
import type { StatisticName } from '../domain/detection';
import { createWindowBatch } from '../domain/window';
import { TrainingError } from '../errors';
import type { Assessor } from '../scoring/assess';
import { fitBias } from '../scoring/bias';
import { createChannelStatistic, fitChannels } from '../scoring/channels';
import type { GroupReader } from '../scoring/group';
import { statisticPlans } from '../scoring/statistics';
import type { VersionState } from '../scoring/version-state';
import { crossFittedBias, crossFittedReconstruction } from './cross-fit';
import type { Dataset } from './dataset';

export interface CalibrationOptions {
  tailShare: number;
  /** The statistics that the score combines, as far as the model has them. The others are only reported. */
  statistics: readonly StatisticName[];
  /** Groups that are calibrated separately. */
  groupOf: GroupReader | undefined;
}

export type Calibrated = Pick<
  VersionState,
  'channelCalibrations' | 'bias' | 'calibration' | 'independentAfter'
>;

/**
 * Calibrates each channel, then each statistic and their combination.
 * @param ends of the calibration windows, in order of time
 */
export async function calibrate(
  assessor: Assessor,
  dataset: Dataset,
  ends: Int32Array,
  { tailShare, statistics: names, groupOf }: CalibrationOptions,
): Promise<Calibrated> {
  const { channels } = assessor.channelMap;
  const { statistics, contributions, meanErrors } = await assessAll(assessor, dataset, ends);
  const channelCalibrations = fitChannels(contributions, channels, tailShare);
  const all: Record<string, Float64Array> = {
    ...statistics,
    reconstruction: crossFittedReconstruction(contributions, channels),
    channel: createChannelStatistic(channelCalibrations).assess(contributions, ends.length),
    bias: crossFittedBias(meanErrors, channels),
  };
  const combined = Object.fromEntries(
    names.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]])),
  );
  if (Object.keys(combined).length === 0)
    throw new TrainingError('failed', `the model has none of calibration.statistics: ${names.join(', ')}`);
  const groups = groupOf && groupsOf(dataset, ends, groupOf);
  // A version is expected to be used as long as its history is: on average its records come half of that later.
  const later = dataset.ends.length / ends.length / 2;
  const calibration = fitSurprise(combined, tailShare, statisticPlans, groups, later);
  return {
    channelCalibrations,
    bias: fitBias(meanErrors, channels),
    calibration,
    independentAfter: independentAfter(calibration, combined, ends, dataset.shape.length),
  };
}

/** The group of each window. */
function groupsOf(dataset: Dataset, ends: Int32Array, groupOf: GroupReader): (string | undefined)[] {
  const one = createWindowBatch(dataset.shape, 1);
  return Array.from(ends, (end) => {
    one.count = 0;
    dataset.copy(end, one);
    return groupOf(one, 0);
  });
}

/**
 * Records of a key after which two p-values are nearly independent: their windows share no record, and twice the
 * autocorrelation time has passed, which leaves less than 2 % of a correlation that falls exponentially.
 */
function independentAfter(
  calibration: SurpriseState,
  columns: StatisticColumns,
  ends: Int32Array,
  windowLength: number,
): number {
  const scale = createSurpriseScale(calibration);
  const statistics = Object.values(columns);
  // By row, that is key after key: records of other keys in between would hide the autocorrelation of each.
  const order = Int32Array.from(ends.keys()).sort((a, b) => ends[a]! - ends[b]!);
  const pValues = Float64Array.from(order, (i) => scale.pValue(statistics.map((column) => column[i]!)).p);
  return Math.max(windowLength, Math.ceil(2 * autocorrelationTime(pValues)));
}

/** Windows assessed at once: bounds memory, does not change a result. */
const chunk = 512;

/** The raw scores of the windows that end at `ends`, in that order; shapes as in `RawScores`. */
async function assessAll(
  assessor: Assessor,
  dataset: Dataset,
  ends: Int32Array,
): Promise<{
  statistics: Record<string, Float64Array>;
  contributions: Float64Array;
  meanErrors: Float64Array;
}> {
  const { channels } = assessor.channelMap;
  const statistics: Record<string, Float64Array> = {};
  const contributions = new Float64Array(ends.length * channels);
  const meanErrors = new Float64Array(ends.length * channels);
  const batch = createWindowBatch(dataset.shape, chunk);
  for (let from = 0; from < ends.length; from += chunk) {
    batch.count = 0;
    for (const end of ends.subarray(from, from + chunk)) dataset.copy(end, batch);
    const raw = await assessor.assess(batch);
    contributions.set(raw.contributions, from * channels);
    meanErrors.set(raw.meanErrors, from * channels);
    for (const [name, values] of Object.entries(raw.statistics)) {
      (statistics[name] ??= new Float64Array(ends.length)).set(values, from);
    }
  }
  return { statistics, contributions, meanErrors };
}
