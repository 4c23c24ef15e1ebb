/** Fits a model to windows: epochs of steps, until the loss on held-out windows no longer falls. */
import type { EncodedWindows } from '../domain/window';
import type { ConditionEncoder } from '../domain/condition';
import { createWindowBatch } from '../domain/window';
import { TrainingError } from '../errors';
import { fromTorchWeights } from '../models/exchange';
import { writeWeights, type Model } from '../models/model';
import type { OpenSession } from '../onnx/session';
import type { WindowEncoder } from '../scoring/encode';
import type { Random, StoredTensor } from '../tensor';
import type { Dataset } from './dataset';
import type { Effort } from './effort';
import { openStepper } from './open-stepper';
import type { TrainingReport } from './report';
import { createTfjsStepper, type Encoded } from './stepper';

export interface Progress {
  epoch: number;
  epochs: number;
  trainLoss: number;
  validationLoss: number;
}

/** The part of the report that describes the fit. */
export type Fitting = Pick<
  TrainingReport,
  | 'epochs'
  | 'bestEpoch'
  | 'steps'
  | 'skippedSteps'
  | 'trainLoss'
  | 'validationLoss'
  | 'validationRate'
  | 'trainingEngine'
  | 'trainingProblem'
>;

export interface FitParts {
  model: Model;
  dataset: Dataset;
  /** Windows to learn from, by the row at which they end. */
  ends: Int32Array;
  validation: readonly Encoded[];
  encoder: WindowEncoder;
  /** Replaces categories by the unknown token in a batch before a step. */
  forget: (encoded: EncodedWindows, count: number) => void;
  effort: Effort;
  random: Random;
  openSession: OpenSession | undefined;
  /** Called after each epoch and awaited, so that a caller can let other work run. */
  onProgress: (progress: Progress) => void | Promise<void>;
}

/**
 * Sets the weights of the model to those of the best epoch.
 * @throws TrainingError if no epoch has a finite loss
 */
export async function fit(parts: FitParts): Promise<Fitting> {
  const { model, dataset, ends, validation, encoder, forget, effort, random } = parts;
  const batch = createWindowBatch(dataset.shape, effort.batchSize);
  const buffers = encoder.createBuffers(effort.batchSize);
  const order = ends.slice();
  const { stepper, problem } = await openStepper(
    { model, phases: model.phases, encoder, learningRate: effort.learningRate },
    parts.openSession,
  );
  const result: Fitting = {
    epochs: 0,
    bestEpoch: 0,
    steps: 0,
    skippedSteps: 0,
    trainLoss: NaN,
    validationLoss: Infinity,
    validationRate: NaN,
    trainingEngine: stepper.engine,
    ...(problem !== undefined && { trainingProblem: problem }),
  };
  let best: Map<string, Float32Array> | undefined;
  /** Patience counts from here: the last epoch before the end of every schedule of the loss. */
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
        const results = await stepper.step({ buffers, count: batch.count }, random, step++);
        results.forEach(({ loss, skipped }, i) => {
          result.steps++;
          if (skipped) result.skippedSteps++;
          else if (i === 0) {
            sum += loss;
            steps++;
          }
        });
      }
      result.trainLoss = sum / steps;
      if (step <= model.warmUpSteps) settledEpoch = result.epochs;
      const held = await stepper.evaluate(validation);
      if (held.loss < result.validationLoss) {
        result.validationLoss = held.loss;
        result.validationRate = held.rate;
        result.bestEpoch = result.epochs;
        best = stepper.weights();
      }
      await parts.onProgress({
        epoch: result.epochs,
        epochs: effort.epochs,
        trainLoss: result.trainLoss,
        validationLoss: held.loss,
      });
    }
  } finally {
    stepper.dispose();
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

/**
 * Sets the weights of the model to weights in PyTorch's layout that were trained elsewhere.
 * @throws TrainingError if their loss is not finite
 */
export function adopt(
  model: Model,
  weights: ReadonlyMap<string, StoredTensor>,
  validation: readonly Encoded[],
  encoder: WindowEncoder,
): Promise<Fitting> {
  writeWeights(model, fromTorchWeights(model.weights, weights));
  return withoutSteps(model, validation, encoder, 'none');
}

/**
 * Sets the weights of a model that has them in closed form.
 * @throws TrainingError if their loss is not finite
 */
export function solve(
  model: Model,
  windows: Encoded,
  heldOut: Encoded,
  validation: readonly Encoded[],
  encoder: WindowEncoder,
): Promise<Fitting> {
  const [ofFit, ofHeldOut] = [windows, heldOut].map(({ buffers, count }) => ({ ...buffers, count }));
  model.solve!(ofFit!, ofHeldOut!);
  return withoutSteps(model, validation, encoder, 'closed form');
}

async function withoutSteps(
  model: Model,
  validation: readonly Encoded[],
  encoder: WindowEncoder,
  trainingEngine: string,
): Promise<Fitting> {
  const stepper = createTfjsStepper({ model, phases: [], encoder, learningRate: 0 });
  const { loss, rate } = await stepper.evaluate(validation);
  if (!Number.isFinite(loss)) throw new TrainingError('diverged', 'the loss of these weights is not finite');
  return {
    epochs: 0,
    bestEpoch: 0,
    steps: 0,
    skippedSteps: 0,
    trainLoss: NaN,
    validationLoss: loss,
    validationRate: rate,
    trainingEngine,
  };
}

/** Replaces the categories of a random share of the windows by the unknown token, so that the model learns it, too. */
export function createConditionDropout(
  encoder: WindowEncoder,
  conditions: ConditionEncoder,
  share: number,
  random: Random,
): FitParts['forget'] {
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
