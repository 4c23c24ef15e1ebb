/** How each statistic enters the score. */
import type { StatisticPlan } from '../calibration/surprise';
import type { StatisticName } from '../domain/detection';

/**
 * A sum of squares moves by factors, so its logarithm is calibrated, and the tail of that logarithm is held exponential: with
 * a hundred records a fitted shape would only follow the oddest of them. The reconstruction carries the score; what each of
 * the others sees alone it sees so clearly that a tenth of the weight does not hide it, and where they see nothing
 * they cost next to nothing (docs/quality.md has what was tried).
 */
export const statisticPlans: Readonly<Record<StatisticName, StatisticPlan>> = {
  reconstruction: { scale: 'log', tail: 'exponential', weight: 1 },
  newest: { scale: 'log', tail: 'exponential', weight: 1 },
  bias: { scale: 'log', tail: 'exponential', weight: 0.1 },
  latent: { scale: 'linear', tail: 'free', weight: 0.1 },
  llr: { scale: 'linear', tail: 'free', weight: 0.1 },
  stuck: { scale: 'linear', tail: 'free', weight: 0.1 },
  channel: { scale: 'linear', tail: 'exponential', weight: 0.1 },
};
