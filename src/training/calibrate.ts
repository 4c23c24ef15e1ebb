/**
 * Calibrates a trained model under the conditions of live scoring: the memory of each device runs over the whole history, and
 * over the newest block of windows with it, by the same code as in the daemon.
 */
import { createBalance, fitBalance } from '../calibration/balance';
import { contextOfHistory, fitContext, type ContextHistory } from '../calibration/context';
import { extremalIndex } from '../calibration/extremal-index';
import { createRecentMeans } from '../calibration/recent-means';
import { createSections, fitSections, type SectionsState } from '../calibration/sections';
import type { SurpriseGroup, SurpriseState } from '../calibration/surprise';
import { fitTail } from '../calibration/tail';
import type { StatisticName } from '../domain/detection';
import { rowsByKey } from '../domain/rows-by-key';
import { createWindowBatch } from '../domain/window';
import { TrainingError } from '../errors';
import type { Assessor } from '../scoring/assessor';
import { createChannelStatistic, fitChannels } from '../scoring/channels';
import type { GroupReader } from '../scoring/group';
import { fitOddness } from '../scoring/oddness';
import { evidenceNames, linearMean, meaned, meanOf } from '../scoring/statistics';
import type { VersionState } from '../scoring/version-state';
import type { Dataset } from './dataset';
import { devicesIn, take, type Device } from './device-places';
import { createGroupFit, type FitGroup } from './group-fit';
import { fitMeanDeviation, fitSlowTest } from './mean-charts';
import { beforeCalibration, type Split } from './split';
import { tailStretches, type TailBasis } from './tail-stretches';

export interface CalibrationOptions {
  /** Statistics to combine in the score, if the model has them. Others are only reported. */
  statistics: readonly StatisticName[];
  /** Number of records of a baseline; 0 = no baseline. */
  baselineRecords: number;
  /** Returns the group of a window; groups are calibrated separately. */
  groupOf: GroupReader | undefined;
  /** Whether runs of equal values are tested. */
  runs: boolean;
}

export type Calibrated = Pick<
  VersionState,
  | 'channelCalibrations'
  | 'calibration'
  | 'oddness'
  | 'baseline'
  | 'balance'
  | 'context'
  | 'linearMean'
  | 'slow'
  | 'sections'
  | 'independentAfter'
>;

/** The calibration, and facts about the records that it depends on. */
export interface Calibration {
  calibrated: Calibrated;
  /** The records that determine the tail of the evidence, in the calibration block and before it. */
  tails: { block: TailBasis; before?: TailBasis };
}

/** A group with fewer records is calibrated with the others. */
const minGroup = 200;

/** The assessed windows of a history in rows: key after key, each in order of time. */
interface Assessed {
  rows: Int32Array;
  /** Statistics by name, shape [rows] each. */
  statistics: Readonly<Record<string, Float64Array>>;
  contributions: Float64Array;
  meanErrors: Float64Array;
  deviations: Float64Array;
  /** For images, a map per row (scoring/oddness.ts). */
  maps: readonly Float64Array[];
}

/** @throws TrainingError if the model has none of the statistics */
export async function calibrate(
  assessor: Assessor,
  dataset: Dataset,
  split: Split,
  { statistics: wanted, baselineRecords, groupOf, runs }: CalibrationOptions,
): Promise<Calibration> {
  const isImage = assessor.channelMap.kind === 'image';
  const { channels } = assessor.channelMap;
  const assessed = await assessAll(assessor, dataset, isImage ? split.calibration : dataset.ends);
  const { rows } = assessed;
  const placeOf = new Map(Array.from(rows, (row, i) => [row, i]));
  /** Positions of the calibration block among the assessed windows, in the order of the rows: device after device. */
  const block = Int32Array.from(split.calibration, (end) => placeOf.get(end)!).sort();
  /** Positions of the windows before the block. Images before the block are not assessed. */
  const fitted = isImage
    ? new Int32Array()
    : Int32Array.from(beforeCalibration(split), (end) => placeOf.get(end)!).sort();

  const own = take(assessed.contributions, block, channels);
  const channelCalibrations = fitChannels(own, channels);
  const balance = fitBalance(own, channels, (record, channel) =>
    isImage ? true : !Number.isNaN(dataset.values[rows[block[record]!]! * channels + channel]!),
  );
  const columns: Record<string, Float64Array> = {
    ...assessed.statistics,
    balanced: createBalance(balance)(assessed.contributions, rows.length),
    channel: createChannelStatistic(channelCalibrations).assess(assessed.contributions, rows.length),
  };
  const names = evidenceNames(
    wanted.filter((name) => columns[name] !== undefined),
    isImage,
  );
  if (names.length === 0)
    throw new TrainingError('failed', `the model has none of calibration.statistics: ${wanted.join(', ')}`);
  const devices = devicesIn(dataset.devices, rows);
  const history = names.includes('linear') && contextHistory(assessor, dataset, assessed, devices, fitted);
  const context = history ? fitContext(history, channels) : undefined;
  const inContext = history && context && contextOfHistory(context, history);
  if (inContext) columns['linear'] = inContext.distances;
  const lasting = names.includes('linear')
    ? fitMeanDeviation(inContext ? inContext.rests : assessed.deviations, channels, devices, fitted)
    : undefined;
  if (lasting) columns[linearMean] = lasting.distances;
  addMeans(columns, names, devices);

  const fit = createGroupFit(columns, names, devices, baselineRecords);
  const common = fit(block, fitted);
  const { tail } = common.group;
  const exceedances = devicesIn(devices, block).map(({ from, to }) =>
    block.slice(from, to).filter((_, i) => common.values[from + i]! > tail.foot),
  );
  const slow = fitSlowTest(assessed, channels, devices, fitted, block);
  const sections = isImage ? undefined : fitSections(own, channels);
  const calibration: SurpriseState = {
    ...common.group,
    extremalIndex: extremalIndex(exceedances),
    ...(groupOf && { groups: fitGroups(dataset, rows, [block, fitted], groupOf, fit) }),
    ...(slow && { slow: fitTail(slow.statistic) }),
    ...(sections && {
      sections: fitTail(
        largestSections(sections, own, channels),
        largestSections(sections, take(assessed.contributions, fitted, channels), channels),
      ),
    }),
    runs,
  };
  // Such windows share no record, and after twice the autocorrelation time, less than 2 % of an exponential correlation
  // remains.
  const independentAfter = Math.max(dataset.shape.length, Math.ceil(2 * common.tau));
  const basisOf = (
    part: Int32Array,
    values: Float64Array,
    of: { foot: number; excesses: number },
  ): TailBasis => {
    const times = Float64Array.from(part, (place) => dataset.timestamps[rows[place]!]!);
    const byDevice = devicesIn(devices, part).map(({ key, from, to }) => ({
      key,
      times: times.subarray(from, to),
      values: values.subarray(from, to),
    }));
    return {
      excesses: of.excesses,
      windows: part.length,
      stretches: tailStretches(byDevice, of.foot, independentAfter),
    };
  };
  return {
    calibrated: {
      channelCalibrations,
      calibration,
      ...(isImage && { oddness: fitOddness(assessed.maps) }),
      baseline: common.baseline,
      balance,
      ...(context && { context }),
      ...(lasting && { linearMean: lasting.state }),
      ...(slow && { slow: slow.state }),
      ...(sections && { sections }),
      independentAfter,
    },
    tails: {
      block: basisOf(block, common.values, tail),
      ...(tail.before && { before: basisOf(fitted, common.earlier, tail.before) }),
    },
  };
}

function contextHistory(
  { scaler }: Assessor,
  { values, timestamps }: Dataset,
  { rows, deviations }: Assessed,
  devices: readonly Device[],
  before: Int32Array,
): ContextHistory {
  const { channels } = scaler;
  const x = new Float64Array(rows.length * channels);
  rows.forEach((row, place) => {
    for (let j = 0; j < channels; j++) {
      x[place * channels + j] = scaler.scaleKnown(values[row * channels + j]!, j);
    }
  });
  return { x, deviations, devices, times: Float64Array.from(rows, (row) => timestamps[row]!), before };
}

/** Adds columns for the means, computed over the windows of each device. */
function addMeans(
  columns: Record<string, Float64Array>,
  names: readonly string[],
  devices: readonly Device[],
): void {
  const of = meaned(Object.fromEntries(names.map((name) => [name, null])) as never);
  if (of.length === 0) return;
  const means = createRecentMeans(of.length);
  const length = columns[of[0]!]!.length;
  const added = of.map((name) => (columns[meanOf(name)] = new Float64Array(length)));
  const out = new Float64Array(of.length);
  for (const { from, to } of devices) {
    const cells = new Float64Array(means.size);
    for (let place = from; place < to; place++) {
      means.step(
        cells,
        of.map((name) => columns[name]![place]!),
        out,
        0,
      );
      added.forEach((column, m) => (column[place] = out[m]!));
    }
  }
}

function largestSections(state: SectionsState, contributions: Float64Array, channels: number): Float64Array {
  const largest = createSections(state, channels);
  return Float64Array.from({ length: contributions.length / channels }, (_, i) =>
    largest(contributions, i * channels),
  );
}

function fitGroups(
  dataset: Dataset,
  rows: Int32Array,
  [block, before]: readonly [Int32Array, Int32Array],
  groupOf: GroupReader,
  fit: FitGroup,
): Record<string, SurpriseGroup> {
  const one = createWindowBatch(dataset.shape, 1);
  const byGroup = (places: Int32Array): Map<string, Int32Array> => {
    const groups = Array.from(places, (place) => {
      one.count = 0;
      dataset.copy(rows[place]!, one);
      return groupOf(one, 0);
    });
    return new Map(
      [...rowsByKey(groups)].map(([group, of]) => [group, Int32Array.from(of, (i) => places[i]!)]),
    );
  };
  const earlier = byGroup(before);
  return Object.fromEntries(
    [...byGroup(block)]
      .filter(([, { length }]) => length >= minGroup)
      .map(([group, of]) => [group, fit(of, earlier.get(group) ?? new Int32Array()).group]),
  );
}

/** Maximum number of windows, and of values, that are assessed at once. It bounds memory and does not change results. */
const mostAtOnce = 512;
const valuesAtOnce = 1_000_000;

/** The raw scores of the windows that end at `ends`, in the order of the rows; shapes as in `RawScores`. */
async function assessAll(assessor: Assessor, dataset: Dataset, ends: Int32Array): Promise<Assessed> {
  const { channelMap, image, readMap, shape } = assessor;
  const { channels } = channelMap;
  const perWindow = shape.length * shape.channels;
  const leastAtOnce = image?.tile ? 1 : 4;
  const chunk = Math.max(leastAtOnce, Math.min(mostAtOnce, Math.floor(valuesAtOnce / perWindow)));
  const rows = Int32Array.from(ends).sort();
  const statistics: Record<string, Float64Array> = {};
  const contributions = new Float64Array(rows.length * channels);
  const meanErrors = new Float64Array(rows.length * channels);
  let deviations = new Float64Array();
  const maps: Float64Array[] = [];
  const batch = createWindowBatch(dataset.shape, chunk);
  for (let from = 0; from < rows.length; from += chunk) {
    batch.count = 0;
    for (const row of rows.subarray(from, from + chunk)) dataset.copy(row, batch);
    const raw = await assessor.assess(batch);
    contributions.set(raw.contributions, from * channels);
    meanErrors.set(raw.meanErrors, from * channels);
    if (raw.deviations.length > 0) {
      if (deviations.length === 0) deviations = new Float64Array(rows.length * channels);
      deviations.set(raw.deviations, from * channels);
    }
    if (readMap !== undefined) for (let i = 0; i < batch.count; i++) maps.push(readMap(raw, i));
    for (const [name, values] of Object.entries(raw.statistics)) {
      (statistics[name] ??= new Float64Array(rows.length)).set(values, from);
    }
  }
  return { rows, statistics, contributions, meanErrors, deviations, maps };
}
