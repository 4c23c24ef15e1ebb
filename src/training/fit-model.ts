/** Fits the model of a version, and then its variances to held-out windows; or uses given weights. */
import { windowsToSolve } from '../models/linear-vae';
import { fromTorchWeights } from '../models/exchange';
import { activeUnitThreshold, writeWeights, type Model } from '../models/model';
import { toExamples, type ExampleLayout } from '../scoring/encode';
import { scoped, type Random } from '../tensor';
import type { WindowSource } from './dataset';
import { chooseEffort } from './effort';
import { encodeChunks, encodeInTurn, encodeSome, evenlySpread, windowSource } from './encode-windows';
import { createConditionDropout, fit, solve, withoutSteps, type Fitting, type Progress } from './fit';
import { fitHeldOutVariance } from './held-out-variance';
import { inChunks, layoutOf, mostValues, partSource, readParts } from './parts';
import type { Split } from './split';
import type { Encoded } from './stepper';
import type { TrainingOptions } from './options';
import type { Inputs } from './inputs';

/** Maximum number of windows to fit the variances of the channels to. */
const maxVarianceWindows = 2048;
/** Maximum number of parts of windows to fit the variances to. A step reads all of them at once. */
const maxVarianceParts = 2048;

/** Maximum number of values in the windows for the model's `prepare`, unless the smallest number of windows has more. */
const valuesToPrepare = 10_000_000;
const leastToPrepare = 100;

/** Share of the parts that fit into memory which is used for held-out windows. */
const heldOutShare = 0.2;

interface FitModelParts {
  model: Model;
  dataset: WindowSource;
  split: Split;
  inputs: Inputs;
}

export interface FitResult {
  fitting: Fitting;
  /** The model, or its inner model. */
  fitted: Model;
  activeUnitsPerLevel: number[];
}

/** Trains the model and then fits its variance, or uses the given weights. */
export async function fitModel(
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
