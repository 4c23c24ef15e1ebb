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
import { colourChannels, pixelScaler } from '../domain/image';
import { createValues, imageOf, type RecordSchema, type Values } from '../domain/record';
import type { SignalRule } from '../domain/signal';
import { createScaler, fitScaler } from '../domain/scaler';
import { createWindowBatch } from '../domain/window';
import { TrainingError } from '../errors';
import {
  activeUnitThreshold,
  disposeModel,
  readWeights,
  trainStep,
  writeWeights,
  type Examples,
  type Model,
  type ModelOptions,
  type ModelSpec,
} from '../models/model';
import { fromTorchWeights } from '../models/exchange';
import { createModel } from '../models/zoo';
import { createAssessor, type Assessor, type RawScores } from '../scoring/assess';
import type { DetectorState, LearnedState, Trained } from '../scoring/bundle';
import { regionsOf } from '../scoring/attribution';
import { createChannelStatistic, fitChannels } from '../scoring/channels';
import { fitShift } from '../scoring/shift';
import { statisticPlans } from '../scoring/statistics';
import { fitRepeats } from '../scoring/stuck';
import { createWindowEncoder, toExamples, type EncodedWindows, type WindowEncoder } from '../scoring/encode';
import { createRandom, scoped, tf, type Random, type StoredTensor } from '../tensor';
import { splitByTime, type Dataset } from './dataset';
import { crossFittedReconstruction, crossFittedShift } from './cross-fit';
import { chooseEffort, type Effort } from './effort';
import { fitHeldOutVariance } from './held-out-variance';
import type { TrainingReport } from './report';

/** What of the effort is 0 is chosen by the number of windows. */
export interface TrainingOptions extends Effort {
  schema: RecordSchema;
  /** Which deviations count; the model sees them all, calibration those that do. */
  signals: readonly SignalRule[];
  model: ModelOptions & {
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
  engine: string;
  settingsFingerprint: string;
  /** Weights in PyTorch's layout to take instead of training; scales and calibration are fitted all the same. */
  weights?: ReadonlyMap<string, StoredTensor>;
}

export interface Progress {
  epoch: number;
  epochs: number;
  trainLoss: number;
  validationLoss: number;
}

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

  const { conditionDropout, ...modelOptions } = options.model;
  const spec: ModelSpec = {
    ...modelOptions,
    ...(image === undefined
      ? { length: dataset.shape.length, width: 1, channels: schema.channels.length }
      : { length: image.width * image.height, width: image.width, channels: colourChannels(image) }),
    conditionDim: encoder.conditionDim,
  };
  const model = createModel(spec, random.fork());
  try {
    const forget = createConditionDropout(encoder, conditionEncoder, conditionDropout, random.fork());
    const validation = encodeAll(dataset, split.validation, encoder);
    const fitting =
      options.weights === undefined
        ? await fit(
            model,
            dataset,
            split.fit,
            validation,
            encoder,
            forget,
            chooseEffort(options, split.fit.length),
            random.fork(),
            onProgress,
          )
        : adopt(model, options.weights, validation, encoder);
    if (options.weights === undefined) {
      const heldOut = thinned(
        Int32Array.from([...split.validation, ...split.calibration]),
        maxVarianceWindows,
      );
      const [encoded] = encodeAll(dataset, heldOut, encoder, maxVarianceWindows);
      const examples = toExamples(encoder, encoded!.buffers, 0, encoded!.count);
      fitHeldOutVariance(model, examples, random.fork());
      disposeExamples(examples);
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
    const assessor = createAssessor(learned, model, table);
    const calibrated = calibrate(assessor, learned.channels.length, dataset, split.calibration, options);
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
    };
    return { state: { ...learned, ...calibrated }, model, report };
  } catch (error) {
    disposeModel(model);
    throw error;
  }
}

/** First each channel, then, with what the channels say together, each statistic and all of them. */
function calibrate(
  assessor: Assessor,
  channels: number,
  dataset: Dataset,
  ends: Int32Array,
  { tailShare, statistics: names }: Pick<TrainingOptions, 'tailShare' | 'statistics'>,
): Pick<DetectorState, 'channelCalibrations' | 'shift' | 'calibration' | 'independentAfter'> {
  const { statistics, parts, errors } = assessAll(assessor, channels, dataset, ends);
  const channelCalibrations = fitChannels(parts, channels, tailShare);
  const channel = createChannelStatistic(channelCalibrations).assess(parts, ends.length);
  const shift = fitShift(errors, channels);
  const all: Record<string, Float64Array> = {
    ...statistics,
    reconstruction: crossFittedReconstruction(parts, channels),
    channel,
    shift: crossFittedShift(errors, channels),
  };
  const combined = Object.fromEntries(
    names.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]])),
  );
  if (Object.keys(combined).length === 0)
    throw new TrainingError('failed', `the model has none of calibration.statistics: ${names.join(', ')}`);
  const calibration = fitSurprise(combined, tailShare, statisticPlans);
  return {
    channelCalibrations,
    shift,
    calibration,
    independentAfter: independentAfter(calibration, combined, ends, dataset.shape.length),
  };
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

/** The part of the report that fitting is responsible for. */
type Fitting = Pick<
  TrainingReport,
  'epochs' | 'bestEpoch' | 'steps' | 'skippedSteps' | 'trainLoss' | 'validationLoss' | 'validationRate'
>;

/** Takes weights that were trained elsewhere. */
function adopt(
  model: Model,
  weights: ReadonlyMap<string, StoredTensor>,
  validation: readonly Encoded[],
  encoder: WindowEncoder,
): Fitting {
  writeWeights(model, fromTorchWeights(model.weights, weights));
  const { loss, rate } = evaluate(model, encoder, validation);
  if (!Number.isFinite(loss)) throw new TrainingError('diverged', 'the loss of these weights is not finite');
  return {
    epochs: 0,
    bestEpoch: 0,
    steps: 0,
    skippedSteps: 0,
    trainLoss: NaN,
    validationLoss: loss,
    validationRate: rate,
  };
}

async function fit(
  model: Model,
  dataset: Dataset,
  ends: Int32Array,
  validation: readonly Encoded[],
  encoder: WindowEncoder,
  forget: (encoded: EncodedWindows, count: number) => void,
  effort: Effort,
  random: Random,
  onProgress: (progress: Progress) => void | Promise<void>,
): Promise<Fitting> {
  const optimizers = model.phases.map(() => tf.train.adam(effort.learningRate));
  const batch = createWindowBatch(dataset.shape, effort.batchSize);
  const buffers = encoder.createBuffers(effort.batchSize);
  const order = ends.slice();
  const result: Fitting = {
    epochs: 0,
    bestEpoch: 0,
    steps: 0,
    skippedSteps: 0,
    trainLoss: NaN,
    validationLoss: Infinity,
    validationRate: NaN,
  };
  let best: Map<string, Float32Array> | undefined;
  /** Patience does not count before every schedule of the loss is through. */
  let settledEpoch = 0;
  let step = 0;
  try {
    while (
      result.epochs < effort.epochs &&
      result.epochs - Math.max(result.bestEpoch, settledEpoch) < effort.patience
    ) {
      result.epochs++;
      random.shuffle(order);
      let sum = 0;
      let steps = 0;
      for (let from = 0; from < order.length; from += effort.batchSize) {
        batch.count = 0;
        for (const end of order.subarray(from, from + effort.batchSize)) dataset.copy(end, batch);
        encoder.encode(batch, buffers);
        forget(buffers, batch.count);
        const examples = toExamples(encoder, buffers, 0, batch.count);
        model.phases.forEach((phase, i) => {
          const { loss, skipped } = trainStep(phase, optimizers[i]!, examples, random, step);
          result.steps++;
          if (skipped) result.skippedSteps++;
          else if (i === 0) {
            sum += loss;
            steps++;
          }
        });
        step++;
        disposeExamples(examples);
      }
      result.trainLoss = sum / steps;
      if (step <= model.warmUpSteps) settledEpoch = result.epochs;
      const held = evaluate(model, encoder, validation);
      if (held.loss < result.validationLoss) {
        result.validationLoss = held.loss;
        result.validationRate = held.rate;
        result.bestEpoch = result.epochs;
        best = readWeights(model);
      }
      await onProgress({
        epoch: result.epochs,
        epochs: effort.epochs,
        trainLoss: result.trainLoss,
        validationLoss: held.loss,
      });
    }
  } finally {
    for (const optimizer of optimizers) optimizer.dispose();
  }
  if (best === undefined) {
    throw new TrainingError(
      'diverged',
      `no epoch had a finite validation loss (${result.skippedSteps} steps skipped)`,
    );
  }
  writeWeights(model, best);
  return result;
}

/** Replaces the categories of a random share of the windows by the unknown token, so that it is trained, too. */
function createConditionDropout(
  encoder: WindowEncoder,
  conditions: ReturnType<typeof createConditionEncoder>,
  share: number,
  random: Random,
): (encoded: EncodedWindows, count: number) => void {
  return (encoded, count) => {
    if (share === 0) return;
    for (let window = 0; window < count; window++) {
      if (random.uniform() >= share) continue;
      const at = window * encoder.conditionDim;
      conditions.forgetCategories(encoded.c, at);
      conditions.forgetCategories(encoded.c, at + conditions.dim);
    }
  };
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

interface Encoded {
  buffers: EncodedWindows;
  count: number;
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

function evaluate(
  model: Model,
  encoder: WindowEncoder,
  chunks: readonly Encoded[],
): { loss: number; rate: number } {
  let loss = 0;
  let rate = 0;
  let windows = 0;
  for (const { buffers, count } of chunks) {
    scoped(() => {
      const terms = model.validationLoss(toExamples(encoder, buffers, 0, count));
      loss += terms.loss.dataSync()[0]! * count;
      rate += terms.rate.dataSync()[0]! * count;
    });
    windows += count;
  }
  return { loss: loss / windows, rate: rate / windows };
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

/** The raw scores of all windows that end at `ends`, in that order. */
function assessAll(
  assessor: Assessor,
  channels: number,
  dataset: Dataset,
  ends: Int32Array,
): Pick<RawScores, 'statistics' | 'parts' | 'errors'> {
  const statistics: Record<string, Float64Array> = {};
  const parts = new Float64Array(ends.length * channels);
  const errors = new Float64Array(ends.length * channels);
  const batch = createWindowBatch(dataset.shape, chunk);
  for (let from = 0; from < ends.length; from += chunk) {
    batch.count = 0;
    for (const end of ends.subarray(from, from + chunk)) dataset.copy(end, batch);
    const raw = assessor.assess(batch);
    parts.set(raw.parts, from * channels);
    errors.set(raw.errors, from * channels);
    for (const [name, values] of Object.entries(raw.statistics)) {
      (statistics[name] ??= new Float64Array(ends.length)).set(values, from);
    }
  }
  return { statistics, parts, errors };
}

function disposeExamples({ x, mask, c }: Examples): void {
  tf.dispose([x, mask]);
  c?.dispose();
}
