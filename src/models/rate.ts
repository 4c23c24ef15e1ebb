/** What a rate, KL( q(z|x) ‖ p(z) ), costs: its weight β on a schedule, a capacity, and free bits. */
import type { tf } from '../tensor';
import type { ModelOptions } from './model';

/** The rate of the ELBO: summed over dimensions, averaged over the batch. @param perDimension shape [batch, dim] */
export function meanRate(perDimension: tf.Tensor2D): tf.Scalar {
  return perDimension.mean(0).sum();
}

/**
 * The rate, but at least `freeBits` nats for each dimension (Kingma 2016): below that, a dimension costs the same whatever
 * it carries, so that nothing pushes it to collapse.
 * @param perDimension shape [batch, dim]
 */
export function rateAboveFreeBits(perDimension: tf.Tensor2D, freeBits: number): tf.Scalar {
  if (freeBits === 0) return meanRate(perDimension);
  return perDimension.mean(0).maximum(freeBits).sum();
}

export interface RatePenalty {
  /**
   * The term of the loss that stands for the rate.
   * @param perDimension rate of each dimension, shape [batch, dim]
   * @param step steps taken before; undefined after the end of every schedule
   */
  of(perDimension: tf.Tensor2D, step: tf.Scalar | undefined): tf.Scalar;
  /** Steps until the schedules end, or until the first cycle of a cyclical one ends. */
  readonly warmUpSteps: number;
}

type PenaltyOptions = Pick<
  ModelOptions,
  'beta' | 'betaSchedule' | 'betaSteps' | 'capacity' | 'capacitySteps' | 'freeBits'
>;

/** β·rate (Higgins 2017), or β·|rate − C| with a capacity C that grows to its target (Burgess 2018). */
export function createRatePenalty(options: PenaltyOptions): RatePenalty {
  const { betaSchedule, betaSteps, capacity, capacitySteps, freeBits } = options;
  return {
    of(perDimension, step) {
      const beta = betaAt(options, step);
      if (capacity === 0) return rateAboveFreeBits(perDimension, freeBits).mul(beta);
      const grown = step === undefined ? capacity : step.div(capacitySteps).minimum(1).mul(capacity);
      return meanRate(perDimension).sub(grown).abs().mul(beta);
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
  const risen = betaSchedule === 'warm-up' ? step.div(betaSteps) : step.mod(betaSteps).div(betaSteps / 2);
  return risen.minimum(1).mul(beta);
}
