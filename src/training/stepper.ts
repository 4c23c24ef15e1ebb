/** Engines for training steps: tfjs, or ONNX Runtime with graphs that are traced from it. */
import type { StepResult } from '../models/adam';
import type { Model, Phase } from '../models/model';
import { createOptimizer, trainStep } from '../models/train-step';
import { toExamples, type ExampleArrays, type ExampleLayout } from '../scoring/encode';
import { scoped, tf, type Random } from '../tensor';

/** Encoded windows, or parts of windows, in the first `count` rows of the buffers. */
export interface Encoded {
  buffers: ExampleArrays;
  count: number;
}

/** Means over windows, in nats. */
export interface Evaluation {
  loss: number;
  /** KL of the posterior to the prior. */
  rate: number;
}

export interface Stepper {
  /** Name for the log and the report. */
  readonly engine: string;
  /**
   * One step of each phase, in order.
   * @param step steps taken before
   */
  step(encoded: Encoded, random: Random, step: number): Promise<readonly StepResult[]>;
  /** The loss on held-out windows, without noise and after every schedule. */
  evaluate(chunks: readonly Encoded[]): Promise<Evaluation>;
  /** A copy of all current weights. */
  weights(): Map<string, Float32Array>;
  /** Restarts with the present weights of the model. */
  reset(): void;
  dispose(): void;
}

export interface StepperParts {
  model: Model;
  /** Phases of the model, or other phases that change some of its variables. */
  phases: readonly Phase[];
  layout: ExampleLayout;
  learningRate: number;
}

export function createTfjsStepper({ model, phases, layout, learningRate }: StepperParts): Stepper {
  const optimizers = phases.map((phase) => createOptimizer(phase, learningRate));
  return {
    engine: `tfjs-${tf.getBackend()}`,
    step: ({ buffers, count }, random, step) => {
      const examples = toExamples(layout, buffers, 0, count);
      const results = phases.map((phase, i) => trainStep(phase, optimizers[i]!, examples, random, step));
      tf.dispose([examples.x, examples.mask]);
      examples.c?.dispose();
      return Promise.resolve(results);
    },
    evaluate(chunks) {
      const total = createMean();
      for (const { buffers, count } of chunks) {
        scoped(() => {
          const { loss, rate } = model.validationLoss(toExamples(layout, buffers, 0, count));
          total.add({ loss: loss.dataSync()[0]!, rate: rate.dataSync()[0]! }, count);
        });
      }
      return Promise.resolve(total.mean());
    },
    weights: () =>
      new Map([...model.weights].map(([name, variable]) => [name, variable.dataSync<'float32'>().slice()])),
    reset: () => optimizers.forEach((optimizer) => optimizer.reset()),
    dispose: () => undefined,
  };
}

/** Mean over chunks of different sizes, weighted by their size. */
export function createMean(): { add(part: Evaluation, count: number): void; mean(): Evaluation } {
  let [loss, rate, windows] = [0, 0, 0];
  return {
    add(part, count) {
      loss += part.loss * count;
      rate += part.rate * count;
      windows += count;
    },
    mean: () => ({ loss: loss / windows, rate: rate / windows }),
  };
}
