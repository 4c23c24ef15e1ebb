/** Trains one model version: scaler and conditions, the model with early stopping, calibration on the newest block, report. */
import type { CategoryTable } from '../domain/condition';
import { imageOf } from '../domain/record';
import { TrainingError } from '../errors';
import { disposeModel, type Model } from '../models/model';
import { createModel } from '../models/zoo';
import { UntranslatableError } from '../onnx/operators';
import { createAssessor } from '../scoring/assess';
import type { Trained } from '../scoring/bundle';
import { regionsOf } from '../scoring/contributions';
import { createGroupReader } from '../scoring/group';
import { openGraph } from '../scoring/onnx-engine';
import { traceScoring } from '../scoring/trace';
import type { LearnedState } from '../scoring/version-state';
import { createRandom } from '../tensor';
import { calibrate, type Calibration } from './calibrate';
import type { Dataset } from './dataset';
import type { Progress } from './fit';
import { fitHistory } from './fit-history';
import type { TrainingReport } from './report';
import { beforeCalibration, splitByTime, type Split } from './split';
import { tiledDataset } from './tiled-dataset';
import type { TrainingOptions } from './options';
import { fitInputs, type Inputs } from './inputs';
import { fitModel } from './fit-model';

export type { Progress };

/**
 * @param onProgress called after each epoch and awaited, so that other work can run
 * @throws TrainingError if there are too few records, or if the loss is never finite
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

/** Least number of calibration windows; with fewer, no tail can be fitted. */
const leastCalibration = 10;

/** Whether the dataset has enough windows for a training. */
export function hasEnoughWindows(
  dataset: Dataset,
  options: Pick<TrainingOptions, 'minRecords' | 'calibrationShare'>,
): boolean {
  try {
    splitOf(dataset, options);
    return true;
  } catch (error) {
    if (error instanceof TrainingError) return false;
    throw error;
  }
}

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

/** The model as a graph; or the reason why there is none, so that tfjs scores. */
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
      // Groups have no baselines: a device's baseline would move with each change of its group.
      baselineRecords: groupBy === '' && learned.image === undefined ? acceptAfter : 0,
      groupOf,
      runs: learned.runs !== undefined,
    });
    return { ...calibration, engine: assessor.engine.name };
  } finally {
    assessor.engine.dispose();
  }
}
