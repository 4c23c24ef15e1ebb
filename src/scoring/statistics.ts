/** How the evidence is made of statistics. */
import type { Standard } from '../calibration/evidence';
import type { StatisticName } from '../domain/detection';

/** A sum of squares changes by factors, so that its logarithm is standardised. */
const scales: Readonly<Record<string, Standard['scale']>> = {
  reconstruction: 'log',
  balanced: 'log',
  linear: 'log',
  newest: 'log',
  latent: 'linear',
  llr: 'linear',
  channel: 'linear',
  patch: 'log',
  bank: 'log',
} satisfies Record<StatisticName, Standard['scale']>;

/** The scale of a name in the evidence. */
export const scaleOf = (name: string): Standard['scale'] => scales[name] ?? 'log';

/** Name of T² of the mean deviation from the linear sibling (calibration/mean-chart.ts). */
export const linearMean = 'linear-mean';

/** Names in the evidence: the statistics, and of windows `linear` over the newest records, too. */
export function evidenceNames(statistics: readonly string[], isImage: boolean): string[] {
  return !isImage && statistics.includes('linear') ? [...statistics, linearMean] : [...statistics];
}
