/** Defines how the evidence is composed of statistics. */
import type { EvidenceState, Standard } from '../calibration/evidence';
import type { StatisticName } from '../domain/detection';

/** Statistics that vary by factors, such as sums of squares, are standardised by their logarithm. */
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

/** The scale of a statistic or of a mean. */
export const scaleOf = (name: string): Standard['scale'] => scales[name] ?? 'log';

/**
 * Statistics that enter the evidence twice, with their value and over the newest records: as their mean
 * (calibration/recent-means.ts), or for the linear sibling as T² of the mean deviation (calibration/mean-chart.ts).
 */
const atTwoScales: readonly string[] = ['reconstruction', 'balanced', 'linear'] satisfies StatisticName[];

/** Name of the statistic T² of the mean deviation from the linear sibling. */
export const linearMean = meanOf('linear');

/** Name of the mean of a statistic over the newest records. */
export function meanOf(name: string): string {
  return `${name}-mean`;
}

/** Names in the evidence: first those of statistics, then those of means. */
export function evidenceNames(statistics: readonly string[], isImage: boolean): string[] {
  const means = isImage ? [] : atTwoScales.filter((name) => statistics.includes(name));
  return [...statistics, ...means.map(meanOf)];
}

/** The statistics whose means the evidence contains, in its order. */
export function meaned(evidence: EvidenceState): string[] {
  return atTwoScales.filter((name) => name !== 'linear' && Object.hasOwn(evidence, meanOf(name)));
}
