/** The penalty for a rate, KL( q(z|x) ‖ p(z) ): its weight β on a schedule, a capacity, and free bits. */
import { amount, choice, positive, whole } from '../schema/formats';
import type { Parsed } from '../schema/key';
import type { tf } from '../tensor';
import { freeBits } from './options';

/** The rate of the ELBO: summed over dimensions, averaged over the batch. @param perDimension shape [batch, dim] */
export function meanRate(perDimension: tf.Tensor2D): tf.Scalar {
  return perDimension.mean(0).sum();
}

/**
 * The rate, but at least `free` nats for each dimension (Kingma 2016): below that, the penalty of a dimension is constant, so
 * that nothing makes it collapse.
 * @param perDimension shape [batch, dim]
 */
export function rateAboveFreeBits(perDimension: tf.Tensor2D, free: number): tf.Scalar {
  if (free === 0) return meanRate(perDimension);
  return perDimension.mean(0).maximum(free).sum();
}

/** The sum of terms, one from each level. */
export const sumOf = <R extends tf.Rank>(terms: readonly tf.Tensor<R>[]): tf.Tensor<R> =>
  terms.reduce((sum, term) => sum.add(term));

export interface RatePenalty {
  /**
   * The penalty in the loss.
   * @param perDimension rate of each dimension, shape [batch, dim]
   * @param step steps taken before; undefined after the end of every schedule
   */
  of(perDimension: tf.Tensor2D, step: tf.Scalar | undefined): tf.Scalar;
  /** Steps until the schedules end, or until the first cycle of a cyclical one ends. */
  readonly warmUpSteps: number;
}

export const ratePenaltyOptions = {
  beta: positive({ doc: 'Weight β of the rate in the loss.', default: 4 }),
  betaSchedule: choice(
    {
      doc: 'Schedule of β. `warm-up`: it rises from 0 once. `cyclical`: it rises from 0 again and again.',
      default: 'constant',
    },
    ['constant', 'warm-up', 'cyclical'],
  ),
  betaSteps: whole({ doc: 'Training steps of the warm-up, or of one cycle.', default: 1000 }),
  capacity: amount({
    doc: 'Rate that the loss aims at, in nats; it grows from 0 to this value. 0: no target.',
    default: 0,
  }),
  capacitySteps: whole({ doc: 'Training steps until the capacity is reached.', default: 1000 }),
  freeBits,
};

type PenaltyOptions = Parsed<typeof ratePenaltyOptions>;

/** β·rate (Higgins 2017), or β·|rate − C| with a capacity C that grows to its target (Burgess 2018). */
export function createRatePenalty(options: PenaltyOptions): RatePenalty {
  const { betaSchedule, betaSteps, capacity, capacitySteps } = options;
  return {
    of(perDimension, step) {
      const beta = betaAt(options, step);
      if (capacity === 0) return rateAboveFreeBits(perDimension, options.freeBits).mul(beta);
      const grown = step === undefined ? capacity : step.div(capacitySteps).minimum(1).mul(capacity);
      return meanRate(perDimension).sub(grown).abs().mul(beta);
    },
    warmUpSteps: Math.max(betaSchedule === 'constant' ? 0 : betaSteps, capacity === 0 ? 0 : capacitySteps),
  };
}

/** The weight of the rate: constant, rising once (Bowman 2016), or rising in cycles (Fu 2019, R = ½). */
export function betaAt(
  { beta, betaSchedule, betaSteps }: Pick<PenaltyOptions, 'beta' | 'betaSchedule' | 'betaSteps'>,
  step: tf.Scalar | undefined,
): tf.Scalar | number {
  if (betaSchedule === 'constant' || step === undefined) return beta;
  // The weight rises during the first half of a cycle and stays at its maximum during the second.
  const risen = betaSchedule === 'warm-up' ? step.div(betaSteps) : step.mod(betaSteps).div(betaSteps / 2);
  return risen.minimum(1).mul(beta);
}
