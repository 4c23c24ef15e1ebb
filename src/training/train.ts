/** Trains one model version: fit, early stopping, calibration on the newest block, golden records, report. */
import { autocorrelationTime } from '../calibration/autocorrelation';
import {
  createSurpriseScale,
  fitSurprise,
  type StatisticColumns,
  type SurpriseState,
} from '../calibration/surprise';
import { createConditionEncoder, fitConditions, type CategoryTable } from '../domain/condition';
import type { StatisticName } from '../domain/detection';
import { colourChannels } from '../domain/image';
import { createValues, imageOf, type RecordSchema, type Values } from '../domain/record';
import type { SignalRule } from '../domain/signal';
import { createScaler, fitScaler, pixelScaler } from '../domain/scaler';
import { createWindowBatch } from '../domain/window';
import { TrainingError } from '../errors';
import {
  activeUnitThreshold,
  disposeModel,
  type Model,
  type ModelChoice,
  type ModelSpec,
} from '../models/model';
import { createModel } from '../models/zoo';
import type { OpenSession } from '../onnx/session';
import { UntranslatableError } from '../onnx/traced-call';
import { createAssessor, type Assessor } from '../scoring/assess';
import type { DetectorState, LearnedState, Trained } from '../scoring/bundle';
import { regionsOf } from '../scoring/contributions';
import { createChannelStatistic, fitChannels } from '../scoring/channels';
import { createGroupReader } from '../scoring/detector';
import { fitBias } from '../scoring/bias';
import { statisticPlans } from '../scoring/statistics';
import { openGraph } from '../scoring/onnx-engine';
import { fitRepeats } from '../scoring/stuck';
import { traceScoring } from '../scoring/trace';
import { createWindowEncoder, toExamples, type WindowEncoder } from '../scoring/encode';
import { createRandom, scoped, type StoredTensor } from '../tensor';
import { splitByTime, type Dataset } from './dataset';
import { crossFittedReconstruction, crossFittedBias } from './cross-fit';
import { chooseEffort, type Effort } from './effort';
import { adopt, createConditionDropout, fit, type Progress } from './fit';
import { fitHeldOutVariance } from './held-out-variance';
import { chooseLikelihood } from './likelihood';
import type { TrainingReport } from './report';
import type { Encoded } from './stepper';

/** What of the effort is 0 is chosen by the number of windows. */
export interface TrainingOptions extends Effort {
  schema: RecordSchema;
  /** Which deviations count; the model sees them all, calibration those that do. */
  signals: readonly SignalRule[];
  model: ModelChoice & {
    /** Share of training examples whose categories are replaced by the unknown token. */
    conditionDropout: number;
  };
  seed: number;
  /** Fewer windows than this: no training. */
  minRecords: number;
  calibrationShare: number;
  tailShare: number;
  /** What is combined to the score, as far as the model has it; the others are only reported. */
  statistics: readonly StatisticName[];
  /** Condition of which every value is calibrated for itself; empty = none. */
  groupBy: string;
  engine: string;
  settingsFingerprint: string;
  /** Opens the traced graph, where something runs it: calibration is then done by the engine that scores. */
  openScoring?: OpenSession | undefined;
  /** Opens traced steps, where something runs them. */
  openTraining?: OpenSession | undefined;
  /** Weights in PyTorch's layout to take instead of training; scales and calibration are fitted all the same. */
  weights?: ReadonlyMap<string, StoredTensor>;
}

export type { Progress };

/**
 * @param onProgress called after each epoch; awaited, so that a caller can let other work run
 * @throws TrainingError when there is too little data, or the loss never becomes finite
 */
export async function train(
  dataset: Dataset,
  table: CategoryTable,
  options: TrainingOptions,
  onProgress: (progress: Progress) => void | Promise<void> = () => undefined,
): Promise<Trained & { report: TrainingReport }> {
  const { schema } = options;
  if (dataset.ends.length < options.minRecords) {
    throw new TrainingError(
      'too_few_records',
      `${dataset.ends.length} complete windows of ${dataset.shape.length} records, but training.minRecords is ` +
        String(options.minRecords) +
        (dataset.excludedRecords > 0
          ? ` (${dataset.excludedRecords} of ${dataset.records} records are left out: near events, or beyond limits)`
          : ''),
    );
  }
  const split = splitByTime(dataset, options.calibrationShare);
  if (split.calibration.length === 0) {
    throw new TrainingError(
      'too_few_records',
      `the newest ${Math.round(100 * options.calibrationShare)} % of the history, which calibrates, has fewer records of ` +
        `each device than a window (${dataset.shape.length}): more history is needed, or shorter windows`,
    );
  }
  const random = createRandom(options.seed);

  // Scales and vocabularies, too, come from the fit block alone.
  const fitRecords = recordsUpTo(dataset, split.fit);
  const image = imageOf(schema);
  const scaler =
    image === undefined
      ? fitScaler(fitRecords.values, fitRecords.count, schema.channels.length)
      : pixelScaler(image);
  const conditions = fitConditions(schema.conditions, table, fitRecords.conditions, fitRecords.count);
  const conditionEncoder = createConditionEncoder(conditions, table);
  const encoder = createWindowEncoder(dataset.shape, createScaler(scaler), conditionEncoder);

  const { conditionDropout, likelihood, ...modelOptions } = options.model;
  const spec: ModelSpec = {
    ...modelOptions,
    likelihood: chooseLikelihood(likelihood, fitRecords.values),
    ...(image === undefined
      ? { length: dataset.shape.length, width: 1, channels: schema.channels.length }
      : { length: image.width * image.height, width: image.width, channels: colourChannels(image) }),
    conditionDim: encoder.conditionDim,
  };
  const model = createModel(spec, random.fork());
  try {
    const forget = createConditionDropout(encoder, conditionEncoder, conditionDropout, random.fork());
    const validation = encodeAll(dataset, split.validation, encoder);
    const { openScoring, openTraining: openSession } = options;
    const fitting =
      options.weights === undefined
        ? await fit({
            model,
            dataset,
            ends: split.fit,
            validation,
            encoder,
            forget,
            effort: chooseEffort(options, split.fit.length),
            random: random.fork(),
            openSession,
            onProgress,
          })
        : await adopt(model, options.weights, validation, encoder);
    if (options.weights === undefined) {
      const heldOut = thinned(
        Int32Array.from([...split.validation, ...split.calibration]),
        maxVarianceWindows,
      );
      const [encoded] = encodeAll(dataset, heldOut, encoder, maxVarianceWindows);
      await fitHeldOutVariance({ model, encoder, openSession }, encoded!, random.fork());
    }
    const activeUnitsPerLevel = countActiveUnits(model, encoder, validation);

    const learned: LearnedState = {
      spec,
      channels: image === undefined ? schema.channels : regionsOf(image).regions.map(({ name }) => name),
      ...(image && { image: { width: image.width, height: image.height, colour: image.colour } }),
      scaler,
      conditions,
      signals: options.signals.map(({ channel, direction, deadband }) => ({ channel, direction, deadband })),
      repeats:
        image === undefined
          ? fitRepeats(
              dataset.values,
              schema.channels.length,
              dataset.shape.length > 2 ? split.fit : new Int32Array(),
            )
          : [],
      recordsPerMs: dataset.recordsPerMs,
      engine: options.engine,
      settingsFingerprint: options.settingsFingerprint,
    };
    const grouping = options.groupBy === '' ? {} : { groupBy: options.groupBy };
    const { graph, graphProblem } = tryTrace(model, learned);
    const openEngine = graph && openScoring && (await openGraph(graph, openScoring));
    const assessor = createAssessor(learned, model, table, openEngine);
    let calibrated;
    try {
      calibrated = await calibrate(
        assessor,
        learned.channels.length,
        dataset,
        split.calibration,
        options,
        createGroupReader({ conditions, ...grouping }, table),
      );
    } finally {
      assessor.engine.dispose();
    }
    const report: TrainingReport = {
      records: dataset.records,
      excludedRecords: dataset.excludedRecords,
      released: dataset.released,
      windows: {
        fit: split.fit.length,
        validation: split.validation.length,
        calibration: split.calibration.length,
      },
      ...fitting,
      latentDims: model.latentDims,
      activeUnitsPerLevel,
      tail: calibrated.calibration.combined.tail,
      scoringEngine: assessor.engine.name,
      ...(graphProblem !== undefined && { graphProblem }),
    };
    return { state: { ...learned, ...calibrated, ...grouping }, model, ...(graph && { graph }), report };
  } catch (error) {
    disposeModel(model);
    throw error;
  }
}

/** The model as a graph, or why there is none: tfjs scores then. */
function tryTrace(model: Model, learned: LearnedState): { graph?: Uint8Array; graphProblem?: string } {
  try {
    return { graph: traceScoring(model, learned) };
  } catch (error) {
    if (error instanceof UntranslatableError) return { graphProblem: error.message };
    throw error;
  }
}

/** First each channel, then, with what the channels say together, each statistic and all of them. */
async function calibrate(
  assessor: Assessor,
  channels: number,
  dataset: Dataset,
  ends: Int32Array,
  { tailShare, statistics: names }: Pick<TrainingOptions, 'tailShare' | 'statistics'>,
  groupOf: ReturnType<typeof createGroupReader>,
): Promise<Pick<DetectorState, 'channelCalibrations' | 'bias' | 'calibration' | 'independentAfter'>> {
  const { statistics, parts, errors } = await assessAll(assessor, channels, dataset, ends);
  const channelCalibrations = fitChannels(parts, channels, tailShare);
  const channel = createChannelStatistic(channelCalibrations).assess(parts, ends.length);
  const bias = fitBias(errors, channels);
  const all: Record<string, Float64Array> = {
    ...statistics,
    reconstruction: crossFittedReconstruction(parts, channels),
    channel,
    bias: crossFittedBias(errors, channels),
  };
  const combined = Object.fromEntries(
    names.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]])),
  );
  if (Object.keys(combined).length === 0)
    throw new TrainingError('failed', `the model has none of calibration.statistics: ${names.join(', ')}`);
  const groups = groupOf && groupsOf(dataset, ends, groupOf);
  // A version is taken to be used for as long as its history goes back: on average records come half as long after it.
  const later = dataset.ends.length / ends.length / 2;
  const calibration = fitSurprise(combined, tailShare, statisticPlans, groups, later);
  return {
    channelCalibrations,
    bias,
    calibration,
    independentAfter: independentAfter(calibration, combined, ends, dataset.shape.length),
  };
}

/** Of each window, the group that its newest record is of. */
function groupsOf(
  dataset: Dataset,
  ends: Int32Array,
  groupOf: NonNullable<ReturnType<typeof createGroupReader>>,
): (string | undefined)[] {
  const one = createWindowBatch(dataset.shape, 1);
  return Array.from(ends, (end) => {
    one.count = 0;
    dataset.copy(end, one);
    return groupOf(one, 0);
  });
}

/**
 * Records of a key after which two p-values are as good as independent: windows no longer share a record, and twice the
 * autocorrelation time is over, so that of a correlation that falls exponentially less than 2 % is left.
 */
function independentAfter(
  calibration: SurpriseState,
  columns: StatisticColumns,
  ends: Int32Array,
  windowLength: number,
): number {
  const scale = createSurpriseScale(calibration);
  const statistics = Object.values(columns);
  // By row, so key after key: records of other keys in between would hide how each remembers.
  const order = Int32Array.from(ends.keys()).sort((a, b) => ends[a]! - ends[b]!);
  const pValues = Float64Array.from(order, (i) => scale.pValue(statistics.map((column) => column[i]!)).p);
  return Math.max(windowLength, Math.ceil(2 * autocorrelationTime(pValues)));
}

/** The raw records that windows up to the end of the fit block cover. */
function recordsUpTo(
  dataset: Dataset,
  ends: Int32Array,
): { values: Values; conditions: Float64Array; count: number } {
  const { channels, conditions: given, length, pixels = false } = dataset.shape;
  const used = new Uint8Array(dataset.timestamps.length);
  for (const end of ends) used.fill(1, end - length + 1, end + 1);
  const rows = Int32Array.from(used.keys()).filter((row) => used[row] === 1);
  const values = createValues(rows.length * channels, pixels);
  const conditions = new Float64Array(rows.length * given);
  rows.forEach((row, i) => {
    values.set(dataset.values.subarray(row * channels, (row + 1) * channels), i * channels);
    conditions.set(dataset.conditions.subarray(row * given, (row + 1) * given), i * given);
  });
  return { values, conditions, count: rows.length };
}

/** How many windows are assessed at once: bounds memory, does not change a result. */
const chunk = 512;

/** Enough for one variance a channel. */
const maxVarianceWindows = 2048;

/** At most `count` of the values, evenly spread. */
function thinned(values: Int32Array, count: number): Int32Array {
  if (values.length <= count) return values;
  return Int32Array.from({ length: count }, (_, i) => values[Math.floor((i * values.length) / count)]!);
}

function encodeAll(dataset: Dataset, ends: Int32Array, encoder: WindowEncoder, size = chunk): Encoded[] {
  const chunks: Encoded[] = [];
  for (let from = 0; from < ends.length; from += size) {
    const part = ends.subarray(from, from + size);
    const batch = createWindowBatch(dataset.shape, part.length);
    for (const end of part) dataset.copy(end, batch);
    const buffers = encoder.createBuffers(part.length);
    encoder.encode(batch, buffers);
    chunks.push({ buffers, count: part.length });
  }
  return chunks;
}

/** Latent dimensions in use on each level, the upper one first. */
function countActiveUnits(model: Model, encoder: WindowEncoder, chunks: readonly Encoded[]): number[] {
  const activity = model.latentDims.map((dim) => new Float64Array(dim));
  const total = chunks.reduce((sum, { count }) => sum + count, 0);
  for (const { buffers, count } of chunks) {
    scoped(() => {
      model
        .activity(toExamples(encoder, buffers, 0, count))
        .forEach((level, l) =>
          level.dataSync().forEach((value, i) => (activity[l]![i]! += (value * count) / total)),
        );
    });
  }
  return activity.map((level) => level.filter((value) => value > activeUnitThreshold).length);
}

/** The raw scores of all windows that end at `ends`, in that order; shapes as in `RawScores`. */
async function assessAll(
  assessor: Assessor,
  channels: number,
  dataset: Dataset,
  ends: Int32Array,
): Promise<{ statistics: Record<string, Float64Array>; parts: Float64Array; errors: Float64Array }> {
  const statistics: Record<string, Float64Array> = {};
  const parts = new Float64Array(ends.length * channels);
  const errors = new Float64Array(ends.length * channels);
  const batch = createWindowBatch(dataset.shape, chunk);
  for (let from = 0; from < ends.length; from += chunk) {
    batch.count = 0;
    for (const end of ends.subarray(from, from + chunk)) dataset.copy(end, batch);
    const raw = await assessor.assess(batch);
    parts.set(raw.parts, from * channels);
    errors.set(raw.errors, from * channels);
    for (const [name, values] of Object.entries(raw.statistics)) {
      (statistics[name] ??= new Float64Array(ends.length)).set(values, from);
    }
  }
  return { statistics, parts, errors };
}
