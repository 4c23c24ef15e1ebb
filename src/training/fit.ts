/** Fits a model to windows: epochs of steps, until the loss on held-out windows no longer decreases. */
import type { ConditionEncoder } from '../domain/condition';
import { TrainingError } from '../errors';
import { writeWeights, type Model } from '../models/model';
import type { OpenSession } from '../onnx/session';
import type { ExampleArrays, ExampleLayout } from '../scoring/encode';
import type { Random } from '../tensor';
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

/** A source of training examples. */
export interface ExampleSource {
  /** Ids of the examples, in any order. */
  ids: Int32Array;
  /** Reads examples into the first rows of arrays that are reused. */
  read(ids: Int32Array): ExampleArrays;
}

export interface FitParts {
  model: Model;
  source: ExampleSource;
  validation: readonly Encoded[];
  layout: ExampleLayout;
  effort: Effort;
  random: Random;
  openSession: OpenSession | undefined;
  /** Called after each epoch and awaited, so that other work can run. */
  onProgress: (progress: Progress) => void | Promise<void>;
}

/**
 * Sets the weights of the model to those of the best epoch.
 * @throws TrainingError if no epoch has a finite loss
 */
export async function fit(parts: FitParts): Promise<Fitting> {
  const { model, source, validation, layout, effort, random } = parts;
  const order = source.ids.slice();
  const { stepper, problem } = await openStepper(
    { model, phases: model.phases, layout, learningRate: effort.learningRate },
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
  /** Patience counts from this epoch: the last one before the end of every schedule of the loss. */
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
        const ids = order.subarray(from, from + effort.batchSize);
        const read = { buffers: source.read(ids), count: ids.length };
        const results = await stepper.step(read, random, step++);
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
 * Sets the weights of a model that has an optimum in closed form.
 * @throws TrainingError if their loss is not finite
 */
export function solve(
  model: Model,
  windows: Encoded,
  heldOut: Encoded,
  validation: readonly Encoded[],
  layout: ExampleLayout,
): Promise<Fitting> {
  const [ofFit, ofHeldOut] = [windows, heldOut].map(({ buffers, count }) => ({ ...buffers, count }));
  model.solve!(ofFit!, ofHeldOut!);
  return withoutSteps(model, validation, layout, 'closed form');
}

/**
 * The report of a model that needs no steps.
 * @throws TrainingError if the loss of its weights is not finite
 */
export async function withoutSteps(
  model: Model,
  validation: readonly Encoded[],
  layout: ExampleLayout,
  trainingEngine: string,
): Promise<Fitting> {
  const stepper = createTfjsStepper({ model, phases: [], layout, learningRate: 0 });
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

/**
 * Replaces the categories of a random share of the examples by the unknown token, so that the model learns that token. The
 * conditions of an example begin with those of the newest record and the mean over its window.
 */
export function createConditionDropout(
  { conditionDim }: ExampleLayout,
  conditions: ConditionEncoder,
  share: number,
  random: Random,
): (examples: ExampleArrays, count: number) => void {
  return ({ c }, count) => {
    if (share === 0) return;
    for (let example = 0; example < count; example++) {
      if (random.uniform() >= share) continue;
      const at = example * conditionDim;
      conditions.forgetCategories(c, at);
      conditions.forgetCategories(c, at + conditions.dim);
    }
  };
}
