/** The report of an evaluation, from scores and optional labels. */
import { alarmRatio } from './alarm-ratio';
import { rowsOfDevices } from './devices';
import { withinRows, type FoundEvent } from './events';
import { judge, type JudgedSeries } from './judgement';
import { meanRank, rankOf, type Rank } from './rank';

export interface ScoredSeries {
  name: string;
  /** Surprise: −log10 of a p-value. */
  scores: Float64Array;
  flags: Uint8Array;
  /** By record, 1 = anomalous; other records are ignored. Undefined = no labels. */
  labels: ReadonlyMap<number, 0 | 1> | undefined;
  /** Device of each record; undefined = all records are of one device. */
  keys?: readonly string[] | undefined;
  /** Events in rows of the series; undefined = the detector has no events. */
  events?: readonly FoundEvent[] | undefined;
  /** Events that the alarm budget held back. */
  heldBack?: readonly FoundEvent[] | undefined;
  /** Alarm budget of the detector, events per day; undefined = none. */
  budgetPerDay?: number | undefined;
  /** Records of all devices per day; undefined = the records have no times. */
  recordsPerDay?: number | undefined;
  /** Widest buffer for VUS by the rule of TSB-AD, in records. */
  tsbWindow?: number | undefined;
  /** Statistics that enter the score, by name and record; NaN for a record without a score. */
  statistics?: Readonly<Record<string, Float64Array>> | undefined;
  /** First record of each model version, ascending from 0; undefined = one version. */
  versionStarts?: readonly number[] | undefined;
}

export type EvaluationReport = ReturnType<typeof createReport>;

/**
 * @param targets ratios of normal records
 * @throws RangeError if a label is for a record that does not exist
 */
export function createReport(all: readonly ScoredSeries[], targets: readonly number[]) {
  const judged = all.flatMap((one) => (one.labels === undefined ? [] : [selectLabelled(one, one.labels)]));
  const labelled = judged.length > 0;
  const normal = labelled
    ? judged.flatMap(({ scores, labels, keys }) => byDevice(scores, keys, (row) => labels[row] === 0))
    : all.flatMap(({ scores, keys }) => byDevice(scores, keys));
  return {
    /** Quality over the labelled series. */
    judgement: labelled ? judge(judged) : undefined,
    /** PR-AUC of the surprise and of its statistics; undefined if no series has both labels and statistics. */
    rank: rankOfAll(judged),
    /** The records on which alarms were counted. */
    countedOn: labelled ? 'normal records' : 'records, normal or not',
    /** Alarms by target, the smallest target last. */
    alarms: [...new Set(targets)]
      .sort((a, b) => b - a)
      .map((target) => ({
        target,
        ...alarmRatio(
          normal.map((scores) => Uint8Array.from(scores, (score) => (score >= -Math.log10(target) ? 1 : 0))),
        ),
      })),
  };
}

function rankOfAll(
  judged: readonly LabelledSeries[],
): { series: Record<string, Rank>; macro: Rank } | undefined {
  const ranks = judged.flatMap((one): [string, Rank][] => {
    const rank = rankOf(one);
    return rank === undefined ? [] : [[one.name, rank]];
  });
  const macro = meanRank(ranks.map(([, rank]) => rank));
  return macro && { series: Object.fromEntries(ranks), macro };
}

function byDevice(
  scores: Float64Array,
  keys: readonly string[] | undefined,
  isWanted: (row: number) => boolean = () => true,
): Float64Array[] {
  return rowsOfDevices(keys, scores.length).map((rows) =>
    Float64Array.from(rows.filter(isWanted), (row) => scores[row]!),
  );
}

type LabelledSeries = JudgedSeries & Pick<ScoredSeries, 'statistics'>;

function selectLabelled(one: ScoredSeries, labels: ReadonlyMap<number, 0 | 1>): LabelledSeries {
  const {
    name,
    scores,
    flags,
    keys,
    events,
    heldBack,
    budgetPerDay,
    recordsPerDay,
    tsbWindow,
    statistics,
    versionStarts,
  } = one;
  const rows = [...labels.keys()].sort((a, b) => a - b);
  const beyond = rows.find((row) => row >= scores.length);
  if (beyond !== undefined)
    throw new RangeError(
      `series "${name}": there is a label for record ${beyond}, but ${scores.length} records`,
    );
  return {
    name,
    labels: Uint8Array.from(rows, (row) => labels.get(row)!),
    scores: Float64Array.from(rows, (row) => scores[row]!),
    flags: Uint8Array.from(rows, (row) => flags[row]!),
    keys: keys && rows.map((row) => keys[row]!),
    opened: events && selectEvents(events, rows),
    heldBack: heldBack && selectEvents(heldBack, rows),
    budgetPerDay,
    recordsPerDay,
    tsbWindow,
    statistics:
      statistics &&
      Object.fromEntries(
        Object.entries(statistics).map(([name, column]) => [
          name,
          Float64Array.from(rows, (row) => column[row]!),
        ]),
      ),
    versionStarts: versionStarts?.map((start) => rows.filter((row) => row < start).length),
  };
}

/** The events with a labelled record, by index into ascending `rows`. */
function selectEvents(events: readonly FoundEvent[], rows: readonly number[]): FoundEvent[] {
  return events.flatMap((event) =>
    withinRows(event, rows).map((segment) => ({
      key: event.key,
      ...(event.keys && { keys: event.keys }),
      ...segment,
    })),
  );
}
