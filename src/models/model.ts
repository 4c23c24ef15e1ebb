/** The interface of a model, and its weights as plain arrays. */
import type { Key, Parsed } from '../schema/key';
import { scoped, tf, type Random } from '../tensor';
import type { Weights } from './network';
import type { OptionRule, SharedOptions } from './options';

/** A batch for a model, scaled and encoded. */
export interface Examples {
  /** Shape [batch, dim]; 0 where missing. */
  x: tf.Tensor2D;
  /** 1 = seen, 0 = missing. Shape [batch, dim]. */
  mask: tf.Tensor2D;
  /** Encoded condition, shape [batch, conditionDim]; undefined when the detector has none. */
  c: tf.Tensor2D | undefined;
}

/** Terms of the loss, as means over the batch, in nats. */
export interface Loss {
  /** The value to minimise. */
  loss: tf.Scalar;
  /** E_q[ −log p(x|z) ]. */
  distortion: tf.Scalar;
  /** KL of the posterior to the prior, unweighted; for an aae, whose code has no density, −log p(z). */
  rate: tf.Scalar;
}

/** One kind of training step: its loss, and the variables that it changes. A VAE has one phase, an AAE three. */
export interface Phase {
  name: string;
  variables: readonly tf.Variable[];
  /**
   * All random numbers are tensors from `random`: a traced loss gets them as inputs.
   * @param step steps of this phase taken before, for schedules
   */
  loss(examples: Examples, random: Random, step: tf.Scalar): tf.Scalar;
}

/** Windows as arrays, scaled and encoded; shapes as in `Examples`. */
export interface WindowArrays {
  x: Float32Array;
  mask: Float32Array;
  c: Float32Array;
  /** Rows in use. */
  count: number;
}

/** The scores of a batch. They are deterministic. */
export interface Assessment {
  /** Statistics by name, larger = more anomalous, in nats. Shape [batch] each. */
  statistics: Readonly<Record<string, tf.Tensor1D>>;
  /** −log p(x|z) of each value; these sum to `reconstruction`. Shape [batch, dim]. */
  distortion: tf.Tensor2D;
  /** The distortion minus that of a perfect reconstruction, ≥ 0. Shape [batch, dim]. */
  deviance: tf.Tensor2D;
  /** Mean of p(x|z). Shape [batch, dim]. */
  expected: tf.Tensor2D;
  /** Logarithm of how anomalous each cell of features is, if the spec asks for it. Shape [batch, cells]. */
  oddness?: tf.Tensor2D;
}

/** −log p(x,z|c) = −log p(x|z,c) − log p(z|c) for given codes, term by term, in nats. */
export interface NegativeLogJoint {
  /** −log p(x|z,c) of each value, 0 where it is missing. Shape [batch, dim]. */
  distortion: tf.Tensor2D;
  /** The distortion minus that of a perfect reconstruction, ≥ 0. Shape [batch, dim]. */
  deviance: tf.Tensor2D;
  /** −log p(z|c) of each latent dimension, all levels side by side. Shape [batch, sum of latentDims]. */
  negativeLogPrior: tf.Tensor2D;
  /**
   * `negativeLogPrior` minus its least value, ≥ 0: how unlikely each latent dimension is. Shape [batch, sum of latentDims].
   */
  priorDeviance: tf.Tensor2D;
  /** Mean of p(x|z,c). Shape [batch, dim]. */
  expected: tf.Tensor2D;
}

/** Input of a model of images. `auto` has been resolved by the size of the images (features.ts). */
export type Features = Exclude<SharedOptions['features'], 'auto'>;

/** All properties that determine the shape of a model, with the options of its kind. Stored in the model version. */
export interface ModelSpec extends Omit<SharedOptions, 'likelihood' | 'features'> {
  kind: string;
  /** Absent = pixels. */
  features?: Features;
  /** Whether cells are separate examples of one kind, given their place; absent = the cells of an image form one vector. */
  patches?: boolean;
  /** Number of typical cells that the statistic `bank` compares with; absent = none. */
  bank?: number;
  /**
   * Heat maps show how anomalous each cell is, in comparison with the mean of its image; in older versions not in comparison (true),
   * or the nats of pixels (absent).
   */
  oddness?: 'relative' | true;
  /** `auto` has been resolved by the pixels (training/likelihood.ts). */
  likelihood: Exclude<SharedOptions['likelihood'], 'auto'>;
  /** Positions of an example: records of a window, or pixels of an image. */
  length: number;
  /** Positions in a row: 1 for a window. */
  width: number;
  /** Number of values at each position. */
  channels: number;
  conditionDim: number;
}

/** Options of a model besides those that every model has: keys under `model`. */
export type OwnOptions = Readonly<Record<string, Key<unknown>>>;

/** The specification of a model with its own options. */
export type SpecWith<O extends OwnOptions> = ModelSpec & Parsed<O>;

/** A kind of model. `create` is declared as a method, so that models with different options fit into one list. */
export interface ModelFamily<O extends OwnOptions, Spec extends ModelSpec = SpecWith<O>> {
  options: O;
  /** Rules between its options. */
  rules: readonly OptionRule<Parsed<O> & SharedOptions>[];
  create(spec: Spec, random: Random): Model;
  /**
   * Whether a model with `patches` reads all cells of an image together; then the image has a code besides those of its cells.
   */
  hasImageLevel?: true;
}

/** A model of unknown kind. */
export interface AnyModelFamily {
  options: OwnOptions;
  rules: readonly OptionRule<never>[];
  create(spec: ModelSpec, random: Random): Model;
  hasImageLevel?: true;
}

export interface Model {
  readonly spec: ModelSpec;
  readonly weights: Weights;
  readonly phases: readonly Phase[];
  /** Names of the statistics that `assess` returns. */
  readonly statistics: readonly string[];
  /** Latent dimensions of each level, the upper one first; only hvae has more than one. */
  readonly latentDims: readonly number[];
  /** Number of steps until every schedule of the loss has ended; early stopping waits for them. */
  readonly warmUpSteps: number;
  /** Weights from another source that are never trained, by their original names; absent if there are none. */
  readonly frozen?: Weights;
  /** Learns constants such as scales from `count` windows, once before the training; absent if there are none. */
  readonly prepare?: (windows: Iterable<WindowArrays>, count: number, random: Random) => void;
  /** The inner model, which a training fits to its own examples instead; absent if there is no inner model. */
  readonly inside?: {
    readonly model: Model;
    /** Number of its examples in a window. */
    readonly parts: number;
    read(windows: WindowArrays): WindowArrays;
  };
  /**
   * Sets the weights to the optimum of the loss, for a model that has it in closed form. Such a model needs no training steps.
   */
  readonly solve?: (windows: WindowArrays, heldOut: WindowArrays) => void;
  /** The loss without noise (z = posterior mean) and after all schedules, for early stopping. */
  validationLoss(examples: Examples): Loss;
  assess(examples: Examples): Assessment;
  /** It is differentiable by the code. @param code shape [batch, sum of latentDims] */
  negativeLogJoint(code: tf.Tensor2D, examples: Examples): NegativeLogJoint;
  /**
   * Information in each latent dimension, averaged over the batch, one tensor per level: KL to the prior in nats; for an aae,
   * whose code has no density, its variance (Burda 2016). A dimension below `activeUnitThreshold` is not in use.
   */
  activity(examples: Examples): readonly tf.Tensor1D[];
  /** The posterior mean of z, all levels side by side. Shape [batch, sum of latentDims]. */
  encode(examples: Examples): tf.Tensor2D;
  /**
   * Means of p(x|z) for drawn z. Shape [count, dim].
   * @param c shape [count, conditionDim]
   * @param temperature scales the standard deviation of z: 1 = as learned, 0 = the most typical code
   */
  generate(count: number, c: tf.Tensor2D | undefined, random: Random, temperature: number): tf.Tensor2D;
}

/** A latent dimension below this activity is not in use. */
export const activeUnitThreshold = 0.01;

/** Number of columns of `x`. */
export function inputDim(spec: ModelSpec): number {
  return spec.length * spec.channels;
}

/** Frees the model's variables. */
export function disposeModel(model: Model): void {
  for (const variable of model.weights.values()) variable.dispose();
}

/** Copies of all weights, row-major. */
export function readWeights(model: Model): Map<string, Float32Array> {
  return new Map(
    [...model.weights].map(([name, variable]) => [name, variable.dataSync<'float32'>().slice()]),
  );
}

/**
 * Sets all weights.
 * @throws RangeError if one is absent or of another size
 */
export function writeWeights(
  { weights }: Pick<Model, 'weights'>,
  values: ReadonlyMap<string, Float32Array>,
): void {
  for (const [name, variable] of weights) {
    const data = values.get(name);
    if (data?.length !== variable.size) {
      throw new RangeError(
        `weight "${name}" must have ${variable.size} values, got ${data?.length ?? 'none'}`,
      );
    }
    scoped(() => variable.assign(tf.tensor(data, variable.shape)));
  }
}
