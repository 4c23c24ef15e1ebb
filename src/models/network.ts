/** Networks: one per symbol of a paper. */
import { matMul, scoped, tf, type Random } from '../tensor';

/** Variables by name, as they are stored. */
export type Weights = ReadonlyMap<string, tf.Variable>;

export interface Network {
  readonly weights: Weights;
  /**
   * [batch, in] → [batch, out].
   * @param given further inputs, e.g. c, shape [batch, givenDim]
   */
  apply(x: tf.Tensor2D, given?: tf.Tensor2D): tf.Tensor2D;
}

export interface MlpSpec {
  /** Prefix of the weights' names. */
  name: string;
  /** Widths from input (x and `given`) to output, at least two. */
  sizes: readonly number[];
  random: Random;
  /** Whether the last layer starts at 0 instead of at random. */
  fromZero?: boolean;
}

/** A multi-layer perceptron with ReLU between its layers and He initialisation (He 2015); the last layer starts smaller. */
export function createMlp({ name, sizes, random, fromZero = false }: MlpSpec): Network {
  const weights = new Map<string, tf.Variable>();
  const layers = sizes.slice(1).map((outputs, i) => {
    const inputs = sizes[i]!;
    const last = i === sizes.length - 2;
    const deviation = Math.sqrt((last ? 1 : 2) / inputs);
    const kernel = createVariable(() =>
      last && fromZero ? tf.zeros([inputs, outputs]) : random.normalTensor([inputs, outputs]).mul(deviation),
    );
    const bias = createVariable(() => tf.zeros([outputs]));
    weights.set(`${name}/${i}/kernel`, kernel);
    weights.set(`${name}/${i}/bias`, bias);
    return { kernel: kernel as tf.Variable<tf.Rank.R2>, bias, last };
  });
  return {
    weights,
    apply: (x, given) =>
      layers.reduce((h, { kernel, bias, last }) => {
        const out = matMul(h, kernel).add(bias); // [batch, outputs]
        return last ? out : out.relu();
      }, sideBySide(x, given)!),
  };
}

/** A variable with this value. Frees the tensor of the initial value. */
export function createVariable(initial: () => tf.Tensor): tf.Variable {
  return scoped(() => tf.variable(initial()));
}

/**
 * Concatenates the columns of all parts, [batch, sum of their widths]. Undefined parts are left out; undefined if no part
 * remains.
 */
export function sideBySide(...parts: readonly (tf.Tensor2D | undefined)[]): tf.Tensor2D | undefined {
  const present = parts.filter((part) => part !== undefined);
  return present.length > 1 ? tf.concat(present, 1) : present[0];
}
