/**
 * Evaluates scores and flags of one or more series against labels. There is no point adjustment: it counts a whole anomaly as
 * found if one of its records is, which makes random scores look good. No threshold is chosen here, as that would use the
 * labels.
 */
import { addConfusions, countConfusion, ratesOf, type Confusion } from './decisions';
import { addEventCounts, eventRates, eventShares, type EventColumns, type EventCounts } from './events';
import { rowsOfDevices } from './devices';
import { averagePrecision, rocAuc } from './ranking';
import { volumesUnderSurface, type Vus } from './vus';

/** Results for the labelled records of one series, in order of time. Columns of equal length. */
export interface JudgedSeries extends EventColumns {
  name: string;
  /** A larger score is more anomalous. All are finite. */
  scores: Float64Array;
  /** Widest buffer by the rule of TSB-AD, in records; undefined = that rule is not applied. */
  tsbWindow?: number | undefined;
  /** First record of each model version, ascending from 0; undefined = one version. */
  versionStarts?: readonly number[] | undefined;
}

/** Results for the records of one version. An event over a swap counts in both versions. */
export interface VersionMetrics extends SeriesMetrics {
  /** Number of the version, from 1. */
  version: number;
}

export type SeriesMetrics = ReturnType<typeof judgeSeries>;

/** Means over the series for which the metric is defined. */
export type MacroMetrics = Omit<SeriesMetrics, keyof Confusion | keyof EventCounts | 'tsbWindow'>;

export type Judgement = ReturnType<typeof judge>;

/**
 * @param maxBuffer widest buffer around an anomaly for VUS, in records
 * @throws RangeError if the columns of a series differ in length, or if a score is not finite
 */
export function judge(all: readonly JudgedSeries[], maxBuffer = 100) {
  for (const one of all) check(one);
  const series = all.map((one) => judgeSeries(one, maxBuffer));
  return {
    series: Object.fromEntries(all.map(({ name }, i) => [name, series[i]!])),
    /** Metrics by version, for the series with several versions. */
    versions: Object.fromEntries(
      all.flatMap((one) =>
        (one.versionStarts ?? []).length > 1 ? [[one.name, judgeVersions(one, maxBuffer)]] : [],
      ),
    ),
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

function judgeSeries(one: JudgedSeries, maxBuffer: number) {
  const { labels, scores, flags, tsbWindow = NaN } = one;
  const confusion = countConfusion(labels, flags);
  const [vus, tsb] = volumesOf(one, [maxBuffer, tsbWindow]);
  return {
    records: labels.length,
    /** Share of the records that are anomalous. */
    anomalousRatio: (confusion.truePositives + confusion.falseNegatives) / labels.length,
    rocAuc: rocAuc(labels, scores),
    /** Area under the precision-recall curve, as average precision. */
    prAuc: averagePrecision(labels, scores),
    vusRoc: vus!.roc,
    vusPr: vus!.precisionRecall,
    /** VUS with the widest buffer by the rule of TSB-AD, and that buffer in records; NaN if it is not known. */
    vusRocTsb: tsb!.roc,
    vusPrTsb: tsb!.precisionRecall,
    tsbWindow,
    ...ratesOf(confusion),
    ...eventRates(one),
    ...confusion,
  };
}

function volumesOf({ labels, scores, keys }: JudgedSeries, maxBuffers: readonly number[]): Vus[] {
  const devices = rowsOfDevices(keys, labels.length);
  const rows = devices.flat();
  let first = 0;
  const blocks = devices.map(({ length }) => ({ first, last: (first += length) - 1 }));
  return volumesUnderSurface(
    Uint8Array.from(rows, (row) => labels[row]!),
    Float64Array.from(rows, (row) => scores[row]!),
    maxBuffers,
    blocks,
  );
}

/** Versions without a record are left out. */
function judgeVersions(one: JudgedSeries, maxBuffer: number): VersionMetrics[] {
  const { versionStarts = [], labels, scores, flags, keys, opened } = one;
  return versionStarts.flatMap((from, i) => {
    const to = versionStarts[i + 1] ?? labels.length;
    if (to === from) return [];
    const part: JudgedSeries = {
      ...one,
      labels: labels.slice(from, to),
      scores: scores.slice(from, to),
      flags: flags.slice(from, to),
      keys: keys?.slice(from, to),
      opened: opened?.flatMap(({ key, first, last }) =>
        first < to && last >= from
          ? [{ key, first: Math.max(first, from) - from, last: Math.min(last, to - 1) - from }]
          : [],
      ),
    };
    return [{ version: i + 1, ...judgeSeries(part, maxBuffer) }];
  });
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
    vusRocTsb: mean('vusRocTsb'),
    vusPrTsb: mean('vusPrTsb'),
    f1: mean('f1'),
    precision: mean('precision'),
    recall: mean('recall'),
    far: mean('far'),
    mar: mean('mar'),
    eventRecall: mean('eventRecall'),
    delay: mean('delay'),
    foundRatio: mean('foundRatio'),
    foundRatioBeforeHoldingBack: mean('foundRatioBeforeHoldingBack'),
    eventPrecision: mean('eventPrecision'),
    falseEventsPerDay: mean('falseEventsPerDay'),
    falseEventsPer1000Records: mean('falseEventsPer1000Records'),
  };
}

/** All records of all series together. */
function microOf(all: readonly JudgedSeries[], series: readonly SeriesMetrics[]) {
  const confusion = addConfusions(series);
  const labels = Uint8Array.from(all.flatMap((one) => Array.from(one.labels)));
  const scores = Float64Array.from(all.flatMap((one) => Array.from(one.scores)));
  const events = addEventCounts(series);
  const days = all.reduce((sum, one) => sum + one.labels.length / (one.recordsPerDay ?? NaN), 0);
  const anomalous = confusion.truePositives + confusion.falseNegatives;
  return {
    rocAuc: rocAuc(labels, scores),
    prAuc: averagePrecision(labels, scores),
    ...ratesOf(confusion),
    /** F1 if every record is flagged: the reference for F1. */
    flagAllF1: (2 * anomalous) / (labels.length + anomalous),
    ...confusion,
    ...events,
    ...eventShares(events, labels.length, days),
    /** Alarm budget, events per day, averaged over the series; NaN without a budget. */
    budgetPerDay: all.reduce((sum, one) => sum + (one.budgetPerDay ?? NaN), 0) / all.length,
  };
}
