/** How well scores rank anomalous records above normal ones, over all thresholds. */

/** Indices of the scores, largest first; of equal scores the earlier record comes first. */
export function descending(scores: Float64Array): Uint32Array {
  return Uint32Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b);
}

/**
 * Visits each distinct score, largest first, with the number of records that have at least this score, and the number of
 * anomalous ones among them.
 */
function eachDistinctScore(
  labels: Uint8Array,
  scores: Float64Array,
  visit: (records: number, anomalous: number) => void,
): void {
  const order = descending(scores);
  let anomalous = 0;
  order.forEach((record, rank) => {
    anomalous += labels[record]!;
    const next = order[rank + 1];
    if (next === undefined || scores[next] !== scores[record]) visit(rank + 1, anomalous);
  });
}

/**
 * The probability that an anomalous record has a higher score than a normal one; ties count half (Hanley & McNeil
 * 1982). NaN without both kinds.
 * @param labels 1 = anomalous
 */
export function rocAuc(labels: Uint8Array, scores: Float64Array): number {
  let area = 0;
  let before = { records: 0, anomalous: 0 };
  eachDistinctScore(labels, scores, (records, anomalous) => {
    const normal = records - anomalous - (before.records - before.anomalous);
    area += (normal * (anomalous + before.anomalous)) / 2;
    before = { records, anomalous };
  });
  return area / (before.anomalous * (before.records - before.anomalous));
}

/**
 * Average precision: the precision at each distinct score, weighted by the recall that it adds. NaN without anomalous
 * records.
 * @param labels 1 = anomalous
 */
export function averagePrecision(labels: Uint8Array, scores: Float64Array): number {
  let sum = 0;
  let found = 0;
  eachDistinctScore(labels, scores, (records, anomalous) => {
    sum += ((anomalous - found) * anomalous) / records;
    found = anomalous;
  });
  return sum / found;
}
