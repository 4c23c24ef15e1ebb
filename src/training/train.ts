/** Trains one model version: scaler and conditions, the model with early stopping, calibration on the newest block, report. */
import {
  createConditionEncoder,
  fitConditions,
  type CategoryTable,
  type ConditionEncoder,
  type ConditionState,
} from '../domain/condition';
import type { GapStatistics } from '../calibration/gaps';
import type { StatisticName } from '../domain/detection';
import { colourChannels } from '../domain/image';
import {
  createValues,
  imageOf,
  type RecordSchema,
  type TimeConditionSpec,
  type Values,
} from '../domain/record';
import { modelImage } from '../domain/tiles';
import { createScaler, fitScaler, pixelScaler, type ScalerState } from '../domain/scaler';
import type { SignalRule } from '../domain/signal';
import { TrainingError } from '../errors';
import { windowsToSolve } from '../models/linear-vae';
import { featureOptions, hasFeatures } from '../models/features';
import { fromTorchWeights } from '../models/exchange';
import { activeUnitThreshold, disposeModel, writeWeights, type Model, type ModelSpec } from '../models/model';
import { createModel, type ModelChoice } from '../models/zoo';
import type { OpenSession } from '../onnx/session';
import { UntranslatableError } from '../onnx/operators';
import { createAssessor } from '../scoring/assess';
import type { Trained } from '../scoring/bundle';
import { regionsOf } from '../scoring/contributions';
import { createWindowEncoder, toExamples, type ExampleLayout, type WindowEncoder } from '../scoring/encode';
import { createGroupReader } from '../scoring/group';
import { openGraph } from '../scoring/onnx-engine';
import { traceScoring } from '../scoring/trace';
import type { LearnedState } from '../scoring/version-state';
import { createRandom, scoped, type Random, type StoredTensor } from '../tensor';
import { calibrate, type Calibration } from './calibrate';
import type { Dataset, WindowSource } from './dataset';
import { chooseEffort, type Effort } from './effort';
import { encodeChunks, encodeInTurn, encodeSome, evenlySpread, windowSource } from './encode-windows';
import { createConditionDropout, fit, solve, withoutSteps, type Fitting, type Progress } from './fit';
import { fitHistory } from './fit-history';
import { fitHeldOutVariance } from './held-out-variance';
import { chooseLikelihood } from './likelihood';
import { inChunks, layoutOf, mostValues, partSource, readParts } from './parts';
import type { TrainingReport } from './report';
import { beforeCalibration, splitByTime, type Split } from './split';
import { tiledDataset, type TiledDataset } from './tiled-dataset';
import type { Encoded } from './stepper';

/** An effort of 0 is chosen from the number of windows. */
export interface TrainingOptions extends Effort {
  schema: RecordSchema;
  /** Gaps between the records of each device. */
  gaps?: GapStatistics | undefined;
  /** Channels whose values in the dataset are rates. */
  counters?: readonly string[];
  /** Conditions besides those of the schema. */
  seasons?: readonly TimeConditionSpec[];
  /** Which deviations count in calibration; the model learns from all. */
  signals: readonly SignalRule[];
  model: ModelChoice & {
    /** Share of training examples whose categories are replaced by the unknown token. */
    conditionDropout: number;
  };
  seed: number;
  /** Least number of windows. */
  minRecords: number;
  calibrationShare: number;
  /** Records beyond history's range that make a new normal, and records of a baseline; 0 = never, none. */
  acceptAfter: number;
  /** The statistics that the score combines, as far as the model has them. The others are only reported. */
  statistics: readonly StatisticName[];
  /** Condition for each of whose values calibration is separate; empty = none. */
  groupBy: string;
  engine: string;
  settingsFingerprint: string;
  /** Opens the traced graph, if an engine for graphs is available: calibration then uses the engine that scores. */
  openScoring?: OpenSession | undefined;
  /** Opens traced training steps, if an engine for graphs is available. */
  openTraining?: OpenSession | undefined;
  /** Weights of the backbone, for a model that reads its features. */
  backbone?: ReadonlyMap<string, Float32Array>;
  /** Weights in PyTorch's layout instead of a training. Scaler and calibration are fitted as usual. */
  weights?: ReadonlyMap<string, StoredTensor>;
}

export type { Progress };

/**
 * @param onProgress called after each epoch and awaited, so that a caller can let other work run
 * @throws TrainingError if there are too few records, or the loss is never finite
 */
export async function train(
  dataset: Dataset,
  table: CategoryTable,
  options: TrainingOptions,
  onProgress: (progress: Progress) => void | Promise<void> = () => undefined,
): Promise<Trained & { report: TrainingReport }> {
  const split = splitOf(dataset, options);
  const random = createRandom(options.seed);
  const image = imageOf(options.schema);
  const examples = image?.tile
    ? tiledDataset(dataset, split, image, createRandom(options.seed))
    : { dataset, split };
  const inputs = fitInputs(dataset, split.fit, examples, table, options);
  const model = createModel(inputs.spec, random.fork());
  try {
    const { fitting, fitted, activeUnitsPerLevel } = await fitModel(
      { model, ...examples, inputs },
      options,
      random,
      onProgress,
    );
    const learned = learnedState(dataset, split, { ...inputs, spec: model.spec }, options, table);
    const grouping = options.groupBy === '' ? {} : { groupBy: options.groupBy };
    const { graph, graphProblem } = tryTrace(model, learned);
    const { calibrated, tails, engine } = await calibrateOn(
      { model, learned, graph },
      dataset,
      split,
      table,
      options,
    );
    const report: TrainingReport = {
      records: dataset.records,
      excludedRecords: dataset.excludedRecords,
      released: dataset.released,
      counters: options.counters ?? [],
      seasons: (options.seasons ?? []).map(({ name }) => name),
      windows: {
        fit: split.fit.length,
        validation: split.validation.length,
        calibration: split.calibration.length,
      },
      ...fitting,
      latentDims: fitted.latentDims,
      activeUnitsPerLevel,
      tail: { scale: calibrated.calibration.tail.scale },
      tails,
      slowTest: calibrated.slow !== undefined,
      scoringEngine: engine,
      ...(graphProblem !== undefined && { graphProblem }),
    };
    return { state: { ...learned, ...calibrated, ...grouping }, model, ...(graph && { graph }), report };
  } catch (error) {
    disposeModel(model);
    throw error;
  }
}

/** With fewer windows to calibrate with, no tail can be fitted. */
const leastCalibration = 10;

/** @throws TrainingError if there are too few windows to fit or to calibrate */
function splitOf(
  dataset: Dataset,
  { minRecords, calibrationShare }: Pick<TrainingOptions, 'minRecords' | 'calibrationShare'>,
): Split {
  const { ends, shape, records, excludedRecords } = dataset;
  if (ends.length < minRecords) {
    const excluded =
      excludedRecords > 0
        ? ` (${excludedRecords} of ${records} records are left out: near events, or beyond limits)`
        : '';
    throw new TrainingError(
      'too_few_records',
      `${ends.length} complete windows of ${shape.length} records, but training.minRecords is ${minRecords}${excluded}`,
    );
  }
  const split = splitByTime(dataset, calibrationShare);
  if (split.calibration.length < leastCalibration) {
    throw new TrainingError(
      'too_few_records',
      `the newest ${Math.round(100 * calibrationShare)} % of the history, which calibrates, has ` +
        `${split.calibration.length} windows of its own (of ${shape.length} records), and needs ${leastCalibration}: ` +
        'more history is needed, or shorter windows',
    );
  }
  return split;
}

/** What the model reads, and how it is encoded. */
interface Inputs {
  scaler: ScalerState;
  conditions: ConditionState;
  conditionEncoder: ConditionEncoder;
  encoder: WindowEncoder;
  spec: ModelSpec;
}

/** Scales and vocabularies, too, are learned from the fit block alone. */
function fitInputs(
  dataset: Dataset,
  ends: Int32Array,
  examples: TiledDataset,
  table: CategoryTable,
  { schema, seasons = [], model }: Pick<TrainingOptions, 'schema' | 'seasons' | 'model'>,
): Inputs {
  const records = recordsUpTo(dataset, ends);
  const images = imageOf(schema);
  const image = images && modelImage(images);
  const scaler =
    image === undefined
      ? fitScaler(records.values(), records.count, schema.channels.length)
      : pixelScaler(image);
  const conditions = fitConditions(
    [...schema.conditions, ...seasons],
    table,
    records.conditions,
    records.count,
  );
  const conditionEncoder = createConditionEncoder(conditions, table);
  const encoder = createWindowEncoder(examples.dataset.shape, createScaler(scaler), conditionEncoder);
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- not part of a spec
  const { conditionDropout, likelihood, ...modelOptions } = model;
  const spec: ModelSpec = {
    ...modelOptions,
    ...featureOptions(model.features, examples.split.fit.length),
    likelihood:
      hasFeatures(model) && likelihood === 'auto' ? 'gaussian' : chooseLikelihood(likelihood, records.values),
    ...(image === undefined
      ? { length: dataset.shape.length, width: 1, channels: schema.channels.length }
      : { length: image.width * image.height, width: image.width, channels: colourChannels(image) }),
    conditionDim: encoder.conditionDim,
  };
  return { scaler, conditions, conditionEncoder, encoder, spec };
}

/** Largest number of windows to fit the variances of the channels to. */
const maxVarianceWindows = 2048;
/** The same of parts of windows. A step reads all of them at once. */
const maxVarianceParts = 2048;

/** Values of the windows that a model prepares itself with, at most, unless they are fewer windows than this. */
const valuesToPrepare = 10_000_000;
const leastToPrepare = 100;

/** Share of the parts of windows that would fit into memory, for windows that are held out. */
const heldOutShare = 0.2;

interface FitModelParts {
  model: Model;
  dataset: WindowSource;
  split: Split;
  inputs: Inputs;
}

interface FitResult {
  fitting: Fitting;
  /** The model, or the one inside it. */
  fitted: Model;
  activeUnitsPerLevel: number[];
}

/** Trains the model and then its variance, or takes the given weights. */
async function fitModel(
  { model, dataset, split, inputs }: FitModelParts,
  options: TrainingOptions,
  random: Random,
  onProgress: (progress: Progress) => void | Promise<void>,
): Promise<FitResult> {
  const { encoder, conditionEncoder } = inputs;
  const { inside, prepare } = model;
  const dropout = random.fork();
  const openSession = options.openTraining;
  const fitted = inside?.model ?? model;
  const layout = layoutOf(fitted);
  const result = (fitting: Fitting, validation: readonly Encoded[]): FitResult => ({
    fitting,
    fitted,
    activeUnitsPerLevel: countActiveUnits(fitted, layout, validation),
  });
  const partsOf = (ends: Int32Array, share: number): Encoded =>
    readParts(dataset, ends, encoder, inside!, random.fork(), share);
  const readValidation = (): Encoded[] =>
    inside === undefined
      ? encodeChunks(dataset, split.validation, encoder)
      : inChunks(partsOf(split.validation, heldOutShare), layout);

  if (options.weights !== undefined) {
    writeWeights(model, fromTorchWeights(model.weights, options.weights));
    const validation = readValidation();
    return result(await withoutSteps(fitted, validation, layout, 'none'), validation);
  }
  if (model.frozen !== undefined) writeWeights({ weights: model.frozen }, options.backbone ?? new Map());
  if (prepare !== undefined) {
    const most = Math.max(leastToPrepare, Math.floor(valuesToPrepare / encoder.dim));
    const ends = evenlySpread(split.fit, most);
    prepare(encodeInTurn(dataset, ends, encoder), ends.length, random.fork());
  }
  const validation = readValidation();
  const heldOutEnds = Int32Array.from([...split.validation, ...split.calibration]);
  const heldOut =
    inside === undefined
      ? encodeSome(dataset, heldOutEnds, encoder, maxVarianceWindows)
      : partsOf(heldOutEnds, Math.min(heldOutShare, (maxVarianceParts * layout.dim) / mostValues));
  if (fitted.solve !== undefined) {
    const most = windowsToSolve(layout.dim);
    const examples =
      inside === undefined
        ? encodeSome(dataset, split.fit, encoder, most)
        : partsOf(split.fit, Math.min(1, (most * layout.dim) / mostValues));
    return result(await solve(fitted, examples, heldOut, validation, layout), validation);
  }
  const forget = createConditionDropout(layout, conditionEncoder, options.model.conditionDropout, dropout);
  const parts = inside && partsOf(split.fit, 1);
  const effort = chooseEffort(options, parts?.count ?? split.fit.length);
  const fitting = await fit({
    model: fitted,
    source:
      parts === undefined
        ? windowSource(dataset, split.fit, encoder, effort.batchSize, forget)
        : partSource(parts, layout, effort.batchSize, forget),
    validation,
    layout,
    effort,
    random: random.fork(),
    openSession,
    onProgress,
  });
  await fitHeldOutVariance({ model: fitted, layout, openSession }, heldOut, random.fork());
  return result(fitting, validation);
}

function learnedState(
  dataset: Dataset,
  split: Split,
  { spec, scaler, conditions }: Inputs,
  {
    schema,
    signals,
    counters = [],
    seasons = [],
    gaps,
    engine,
    settingsFingerprint,
    acceptAfter,
  }: TrainingOptions,
  table: CategoryTable,
): LearnedState {
  const image = imageOf(schema);
  return {
    spec,
    channels: image === undefined ? schema.channels : regionsOf(image).regions.map(({ name }) => name),
    ...(image && {
      image: {
        width: image.width,
        height: image.height,
        colour: image.colour,
        ...(image.tile && { tile: image.tile }),
      },
    }),
    scaler,
    conditions,
    ...(counters.length > 0 && { counters }),
    ...(seasons.length > 0 && { seasons: seasons.map(({ name }) => name) }),
    signals: signals.map(({ channel, direction, deadband }) => ({ channel, direction, deadband })),
    ...(image === undefined &&
      fitHistory(dataset, beforeCalibration(split), scaler, conditions, table, acceptAfter, (channel) =>
        counters.includes(schema.channels[channel]!),
      )),
    recordsPerMs: dataset.recordsPerMs,
    ...(gaps && { gaps }),
    engine,
    settingsFingerprint,
  };
}

/** The model as a graph, or the reason why there is none and tfjs scores. */
function tryTrace(model: Model, learned: LearnedState): { graph?: Uint8Array; graphProblem?: string } {
  try {
    return { graph: traceScoring(model, learned) };
  } catch (error) {
    if (error instanceof UntranslatableError) return { graphProblem: error.message };
    throw error;
  }
}

/** Calibrates with the engine that will score. */
async function calibrateOn(
  { model, learned, graph }: { model: Model; learned: LearnedState; graph: Uint8Array | undefined },
  dataset: Dataset,
  split: Split,
  table: CategoryTable,
  { openScoring, groupBy, acceptAfter, statistics }: TrainingOptions,
): Promise<Calibration & { engine: string }> {
  const openEngine = graph && openScoring && (await openGraph(graph, openScoring));
  const assessor = createAssessor(learned, model, table, openEngine);
  try {
    const groupOf = createGroupReader({ conditions: learned.conditions, groupBy }, table);
    const calibration = await calibrate(assessor, dataset, split, {
      statistics,
      // Within a group a baseline would move with each change of the group.
      baselineRecords: groupBy === '' && learned.image === undefined ? acceptAfter : 0,
      groupOf,
      runs: learned.runs !== undefined,
    });
    return { ...calibration, engine: assessor.engine.name };
  } finally {
    assessor.engine.dispose();
  }
}

/** The raw records of the windows that end at `ends`. */
function recordsUpTo(
  dataset: Dataset,
  ends: Int32Array,
): { values: () => Values; conditions: Float64Array; count: number } {
  const { channels, conditions: given, length, pixels = false } = dataset.shape;
  const used = new Uint8Array(dataset.timestamps.length);
  for (const end of ends) used.fill(1, end - length + 1, end + 1);
  const rows = Int32Array.from(used.keys()).filter((row) => used[row] === 1);
  const values = (): Values => {
    const all = createValues(rows.length * channels, pixels);
    rows.forEach((row, i) =>
      all.set(dataset.values.subarray(row * channels, (row + 1) * channels), i * channels),
    );
    return all;
  };
  const conditions = new Float64Array(rows.length * given);
  rows.forEach((row, i) =>
    conditions.set(dataset.conditions.subarray(row * given, (row + 1) * given), i * given),
  );
  return { values, conditions, count: rows.length };
}

/** Latent dimensions in use on each level, the uppermost first. */
function countActiveUnits(model: Model, layout: ExampleLayout, chunks: readonly Encoded[]): number[] {
  const activity = model.latentDims.map((dim) => new Float64Array(dim));
  const total = chunks.reduce((sum, { count }) => sum + count, 0);
  for (const { buffers, count } of chunks) {
    scoped(() => {
      model
        .activity(toExamples(layout, buffers, 0, count))
        .forEach((level, l) =>
          level.dataSync().forEach((value, i) => (activity[l]![i]! += (value * count) / total)),
        );
    });
  }
  return activity.map((level) => level.filter((value) => value > activeUnitThreshold).length);
}
