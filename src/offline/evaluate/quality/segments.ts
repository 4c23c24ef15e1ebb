/** Anomalies as runs of anomalous records. */

/** First and last record, both included. */
export interface Segment {
  first: number;
  last: number;
}

/** The records of one device in columns that have one device after the other, and the runs of ones among them. */
export function segmentsOf(labels: Uint8Array): Segment[] {
  const segments: Segment[] = [];
  labels.forEach((label, i) => {
    if (label === 0) return;
    if (i > 0 && labels[i - 1] === 1) segments.at(-1)!.last = i;
    else segments.push({ first: i, last: i });
  });
  return segments;
}

/** The records of one device in a column where devices follow each other, and its runs of ones. */
export interface Block extends Segment {
  segments: readonly Segment[];
}

/** @param blocks the records of each device */
export function blocksOf(labels: Uint8Array, blocks: readonly Segment[]): Block[] {
  return blocks.map(({ first, last }) => ({
    first,
    last,
    segments: segmentsOf(labels.subarray(first, last + 1)).map((segment) => ({
      first: segment.first + first,
      last: segment.last + first,
    })),
  }));
}

/** The segments of a device, extended by `by` of its records at both ends; merged if they then touch or overlap. */
export function widened({ segments, ...block }: Block, by: number): Segment[] {
  const wide: Segment[] = [];
  for (const { first, last } of segments) {
    const to = Math.min(last + by, block.last);
    const previous = wide.at(-1);
    if (previous !== undefined && first - by <= previous.last) previous.last = to;
    else wide.push({ first: Math.max(first - by, block.first), last: to });
  }
  return wide;
}
