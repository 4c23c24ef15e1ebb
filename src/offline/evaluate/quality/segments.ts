/** Anomalies as runs of anomalous records. */

/** First and last record, both included. */
export interface Segment {
  first: number;
  last: number;
}

/** The runs of ones, in order. */
export function segmentsOf(labels: Uint8Array): Segment[] {
  const segments: Segment[] = [];
  labels.forEach((label, i) => {
    if (label === 0) return;
    if (i > 0 && labels[i - 1] === 1) segments.at(-1)!.last = i;
    else segments.push({ first: i, last: i });
  });
  return segments;
}

/** Segments extended by `by` records at both ends; merged if they then touch or overlap. */
export function widened(segments: readonly Segment[], by: number, length: number): Segment[] {
  const wide: Segment[] = [];
  for (const { first, last } of segments) {
    const to = Math.min(last + by, length - 1);
    const previous = wide.at(-1);
    if (previous !== undefined && first - by <= previous.last) previous.last = to;
    else wide.push({ first: Math.max(first - by, 0), last: to });
  }
  return wide;
}
