/**
 * Scores and flags of one or more series against labels. No point adjustment: it counts a whole anomaly as found for one of
 * its records, which makes random scores look good. No threshold is chosen here: that would use the labels.
 */
import { addConfusions, countConfusion, eventRates, ratesOf, type Confusion } from './decisions';
import { averagePrecision, rocAuc } from './ranking';
import { volumeUnderSurface } from './vus';

/** Results for the labelled records of one series, in order of time. Columns of equal length. */
export interface JudgedSeries {
  name: string;
  /** 1 = anomalous. */
  labels: Uint8Array;
  /** Larger = more anomalous; finite. */
  scores: Float64Array;
  /** 1 = anomalous, according to the detector. */
  flags: Uint8Array;
}

export type SeriesMetrics = ReturnType<typeof judgeSeries>;

/** Means over the series for which a metric is defined. */
export type MacroMetrics = Omit<SeriesMetrics, keyof Confusion | 'events'>;

export type Judgement = ReturnType<typeof judge>;

/**
 * @param maxBuffer widest buffer around an anomaly for VUS, in records
 * @throws RangeError when the columns of a series differ in length, or a score is not finite
 */
export function judge(all: readonly JudgedSeries[], maxBuffer = 100) {
  for (const one of all) check(one);
  const series = all.map((one) => judgeSeries(one, maxBuffer));
  return {
    series: Object.fromEntries(all.map(({ name }, i) => [name, series[i]!])),
    macro: macroOf(series),
    micro: microOf(all, series),
  };
}

function check({ name, labels, scores, flags }: JudgedSeries): void {
  if (labels.length !== scores.length || labels.length !== flags.length)
    throw new RangeError(
      `series "${name}": ${labels.length} labels, ${scores.length} scores, ${flags.length} flags`,
    );
  const odd = scores.findIndex((score) => !Number.isFinite(score));
  if (odd !== -1)
    throw new RangeError(`series "${name}": the score of record ${odd} is ${String(scores[odd])}`);
}

function judgeSeries({ labels, scores, flags }: JudgedSeries, maxBuffer: number) {
  const confusion = countConfusion(labels, flags);
  const vus = volumeUnderSurface(labels, scores, maxBuffer);
  return {
    records: labels.length,
    /** Share of the records that is anomalous. */
    anomalousRatio: (confusion.truePositives + confusion.falseNegatives) / labels.length,
    rocAuc: rocAuc(labels, scores),
    /** Average precision. */
    prAuc: averagePrecision(labels, scores),
    vusRoc: vus.roc,
    vusPr: vus.precisionRecall,
    ...ratesOf(confusion),
    ...eventRates(labels, flags),
    ...confusion,
  };
}

function macroOf(series: readonly SeriesMetrics[]): MacroMetrics {
  const mean = (name: keyof MacroMetrics): number => {
    const values = series.map((one) => one[name]).filter((value) => !Number.isNaN(value));
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  return {
    records: mean('records'),
    anomalousRatio: mean('anomalousRatio'),
    rocAuc: mean('rocAuc'),
    prAuc: mean('prAuc'),
    vusRoc: mean('vusRoc'),
    vusPr: mean('vusPr'),
    f1: mean('f1'),
    precision: mean('precision'),
    recall: mean('recall'),
    far: mean('far'),
    mar: mean('mar'),
    eventRecall: mean('eventRecall'),
    delay: mean('delay'),
  };
}

/** All records of all series together. */
function microOf(all: readonly JudgedSeries[], series: readonly SeriesMetrics[]) {
  const confusion = addConfusions(series);
  const labels = Uint8Array.from(all.flatMap((one) => Array.from(one.labels)));
  const scores = Float64Array.from(all.flatMap((one) => Array.from(one.scores)));
  const anomalous = confusion.truePositives + confusion.falseNegatives;
  return {
    rocAuc: rocAuc(labels, scores),
    prAuc: averagePrecision(labels, scores),
    ...ratesOf(confusion),
    /** F1 if every record is flagged: the reference for F1. */
    flagAllF1: (2 * anomalous) / (labels.length + anomalous),
    ...confusion,
  };
}
