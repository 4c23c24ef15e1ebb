/** All that an evaluation says of a detector, from its scores and, where there are any, labels. */
import { alarmRatio, type AlarmRatio } from './alarm-ratio';
import { judge, type Judgement, type JudgedSeries } from './judgement';

/** Scores and flags of one series; no labels = none are known. */
export interface ScoredSeries {
  name: string;
  /** Surprise: −log10 of a p-value. */
  scores: Float64Array;
  flags: Uint8Array;
  /** 1 = anomalous, by record; records that are not in it are not judged. */
  labels: ReadonlyMap<number, 0 | 1> | undefined;
}

/** What was promised, and what came of it. */
export interface RealisedAlarms extends AlarmRatio {
  /** Ratio of normal records that may alarm. */
  target: number;
}

export interface EvaluationReport {
  /** Only the labelled series. */
  judgement: Judgement | undefined;
  /** Whether alarms were counted on records labelled normal, or on all there are. */
  countedOn: 'normal records' | 'all records';
  /** One for each target, smallest last. */
  alarms: readonly RealisedAlarms[];
}

/** @throws RangeError when a label is of a record that is not there */
export function createReport(all: readonly ScoredSeries[], targets: readonly number[]): EvaluationReport {
  const judged = all.flatMap((one) => {
    const { labels } = one;
    return labels === undefined ? [] : [selectLabelled(one, labels)];
  });
  const labelled = judged.length > 0;
  const normal = labelled
    ? judged.map(({ scores, labels }) => scores.filter((_, i) => labels[i] === 0))
    : all.map(({ scores }) => scores);
  return {
    judgement: labelled ? judge(judged) : undefined,
    countedOn: labelled ? 'normal records' : 'all records',
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

function selectLabelled(
  { name, scores, flags }: ScoredSeries,
  labels: ReadonlyMap<number, 0 | 1>,
): JudgedSeries {
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
  };
}
