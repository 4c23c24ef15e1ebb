/** How each statistic is calibrated and weighted. */
import type { StatisticPlan } from '../calibration/surprise';
import type { StatisticName } from '../domain/detection';

/**
 * A sum of squares changes by factors, so that its logarithm is calibrated, with an exponential tail: a shape fitted to a
 * hundred records would only follow the oddest of them. The reconstruction dominates the score. A fault that only one of the
 * other statistics shows is so clear there that a tenth of the weight suffices, and with that weight they cost little where
 * they show nothing (docs/quality.md).
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
