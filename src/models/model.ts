/** What every model has in common: its phases, how one training step goes, what it says of a batch. */
import { scoped, tf, type Random } from '../tensor';
import type { Weights } from './network';

/** A batch for a model, scaled and encoded. */
export interface Examples {
  /** Shape [batch, dim]; 0 where missing. */
  x: tf.Tensor2D;
  /** 1 = seen, 0 = missing. Shape [batch, dim]. */
  mask: tf.Tensor2D;
  /** Encoded condition, shape [batch, conditionDim]; undefined when the detector has none. */
  c: tf.Tensor2D | undefined;
}

/** Means over the batch, in nats. */
export interface Loss {
  /** What is minimised. */
  loss: tf.Scalar;
  /** E_q[ −log p(x|z) ]. */
  distortion: tf.Scalar;
  /** KL of the posterior to the prior. */
  rate: tf.Scalar;
}

/** One kind of step: what it minimises and which variables it may change. A VAE has one, an AAE three. */
export interface Phase {
  name: string;
  variables: readonly tf.Variable[];
  loss(examples: Examples, random: Random): Loss;
}

/** What a model says of a batch, without any randomness. */
export interface Assessment {
  /** By name, larger = odder, in nats. Each of shape [batch]. */
  statistics: Readonly<Record<string, tf.Tensor1D>>;
  /** The part of `reconstruction` that each value has. Shape [batch, dim]. */
  distortion: tf.Tensor2D;
  /** Mean of p(x|z). Shape [batch, dim]. */
  expected: tf.Tensor2D;
}

/** Everything that decides the shape of a model; goes into the model version. */
export interface ModelSpec {
  kind: string;
  /** Records per window; 1 for an image. */
  length: number;
  channels: number;
  conditionDim: number;
  latentDim: number;
  hidden: readonly number[];
  minVariance: number;
  maxVariance: number;
}

export interface Model {
  readonly spec: ModelSpec;
  readonly weights: Weights;
  readonly phases: readonly Phase[];
  /** Names of the statistics that `assess` returns. */
  readonly statistics: readonly string[];
  /** The loss without noise (z = posterior mean): what early stopping looks at. */
  validationLoss(examples: Examples): Loss;
  assess(examples: Examples): Assessment;
  /** KL of each latent dimension, averaged over the batch: below 0.01 nats a dimension is not in use. Shape [latentDim]. */
  ratePerDimension(examples: Examples): tf.Tensor1D;
}

/** Numbers of columns of a batch's `x`. */
export function inputDim(spec: ModelSpec): number {
  return spec.length * spec.channels;
}

/** Frees the model's variables. */
export function disposeModel(model: Model): void {
  for (const variable of model.weights.values()) variable.dispose();
}

/** A copy of every weight, row-major. */
export function readWeights(model: Model): Map<string, Float32Array> {
  return new Map(
    [...model.weights].map(([name, variable]) => [name, variable.dataSync<'float32'>().slice()]),
  );
}

/**
 * Sets every weight.
 * @throws RangeError when one is absent or of another size
 */
export function writeWeights(model: Model, values: ReadonlyMap<string, Float32Array>): void {
  for (const [name, variable] of model.weights) {
    const data = values.get(name);
    if (data?.length !== variable.size) {
      throw new RangeError(
        `weight "${name}" must have ${variable.size} values, got ${data?.length ?? 'none'}`,
      );
    }
    scoped(() => variable.assign(tf.tensor(data, variable.shape)));
  }
}

export interface StepResult {
  loss: number;
  distortion: number;
  rate: number;
  /** The gradient was not finite, and nothing was changed. */
  skipped: boolean;
}

/** Gradients longer than this are shortened to it (Pascanu 2013): one odd batch must not undo an epoch. */
const maxGradientNorm = 100;

/** One step of one phase: loss, gradients, and the optimiser's update. A step that is not finite is skipped. */
export function trainStep(
  phase: Phase,
  optimizer: tf.Optimizer,
  examples: Examples,
  random: Random,
): StepResult {
  return tf.tidy(() => {
    let terms: Loss | undefined;
    const { grads } = tf.variableGrads(() => {
      terms = phase.loss(examples, random);
      tf.keep(terms.distortion);
      tf.keep(terms.rate);
      tf.keep(terms.loss);
      return terms.loss;
    }, phase.variables as tf.Variable[]);
    const { loss, distortion, rate } = terms!;
    const result = { loss: scalar(loss), distortion: scalar(distortion), rate: scalar(rate) };
    tf.dispose([loss, distortion, rate]);

    const gradients = Object.values(grads);
    const norm = Math.sqrt(scalar(tf.addN(gradients.map((g) => tf.sum(tf.square(g))))));
    if (!Number.isFinite(norm) || !Number.isFinite(result.loss)) return { ...result, skipped: true };
    const shrink = norm > maxGradientNorm ? maxGradientNorm / norm : 1;
    optimizer.applyGradients(
      Object.entries(grads).map(([name, gradient]) => ({
        name,
        tensor: shrink === 1 ? gradient : tf.mul(gradient, shrink),
      })),
    );
    return { ...result, skipped: false };
  });
}

function scalar(tensor: tf.Tensor): number {
  return tensor.dataSync()[0]!;
}
