/** What the rate, KL( q(z|x) ‖ p(z) ), costs: its weight β on a schedule, a capacity, and bits that are free. */
import { tf } from '../tensor';
import type { ModelOptions } from './model';

export interface RatePenalty {
  /**
   * The term of the loss, from the rate of each dimension. Scalar.
   * @param perDimension shape [batch, dim]
   * @param step how many steps went before; undefined = behind every schedule
   */
  cost(perDimension: tf.Tensor2D, step: tf.Scalar | undefined): tf.Scalar;
  /** Steps until the cost no longer changes, or, when it is cyclical, until the first cycle is through. */
  readonly warmUpSteps: number;
}

/** The rate itself, as the ELBO has it. Scalar. */
export function meanRate(perDimension: tf.Tensor2D): tf.Scalar {
  return tf.sum(tf.mean(perDimension, 0));
}

/**
 * The rate, but no less than `freeBits` nats for each dimension (Kingma 2016): below that a dimension costs
 * the same whatever it carries, so nothing pushes it to collapse. Scalar.
 */
export function rateAboveFreeBits(perDimension: tf.Tensor2D, freeBits: number): tf.Scalar {
  if (freeBits === 0) return meanRate(perDimension);
  return tf.sum(tf.maximum(tf.mean(perDimension, 0), freeBits));
}

type PenaltyOptions = Pick<
  ModelOptions,
  'beta' | 'betaSchedule' | 'betaSteps' | 'capacity' | 'capacitySteps' | 'freeBits'
>;

/** β·rate (Higgins 2017), or β·|rate − C| with a capacity C that grows to its target (Burgess 2018). */
export function createRatePenalty(options: PenaltyOptions): RatePenalty {
  const { betaSchedule, betaSteps, capacity, capacitySteps, freeBits } = options;
  return {
    cost(perDimension, step) {
      const beta = betaAt(options, step);
      if (capacity === 0) return tf.mul(rateAboveFreeBits(perDimension, freeBits), beta);
      const grown = step === undefined ? 1 : tf.minimum<tf.Scalar>(tf.div(step, capacitySteps), 1);
      return tf.mul(tf.abs(tf.sub(meanRate(perDimension), tf.mul(grown, capacity))), beta);
    },
    warmUpSteps: Math.max(betaSchedule === 'constant' ? 0 : betaSteps, capacity === 0 ? 0 : capacitySteps),
  };
}

/** The weight of the rate: constant, rising once (Bowman 2016), or rising again and again (Fu 2019, R = ½). */
export function betaAt(
  { beta, betaSchedule, betaSteps }: Pick<ModelOptions, 'beta' | 'betaSchedule' | 'betaSteps'>,
  step: tf.Scalar | undefined,
): tf.Scalar | number {
  if (betaSchedule === 'constant' || step === undefined) return beta;
  // A cycle rises over its first half and stays there for the second.
  const risen: tf.Scalar =
    betaSchedule === 'warm-up'
      ? tf.div<tf.Scalar>(step, betaSteps)
      : tf.div<tf.Scalar>(tf.mod(step, betaSteps), betaSteps / 2);
  return tf.mul<tf.Scalar>(tf.minimum(risen, 1), beta);
}

/** The plain ELBO: every nat costs one. */
export const plainRate: RatePenalty = { cost: meanRate, warmUpSteps: 0 };
