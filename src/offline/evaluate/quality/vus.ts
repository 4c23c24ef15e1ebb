/**
 * Volume under the ROC and the precision-recall surface (Paparrizos et al. 2022, "Volume Under the Surface"; as defined in
 * TSB-AD 2024): the areas under both curves, averaged over buffers 0..W around each anomaly. A record in a buffer counts as
 * partly anomalous, so that a score that is slightly early or late is not counted as entirely wrong.
 */
import { descending } from './ranking';
import { blocksOf, widened, type Block, type Segment } from './segments';

export interface Vus {
  roc: number;
  precisionRecall: number;
}

const thresholdCount = 250;

/**
 * NaN without an anomalous record.
 * @param labels 1 = anomalous
 * @param maxBuffer W, the widest buffer in records
 */
export function volumeUnderSurface(labels: Uint8Array, scores: Float64Array, maxBuffer: number): Vus {
  return volumesUnderSurface(labels, scores, [maxBuffer])[0]!;
}

/**
 * The volume for each widest buffer; NaN for a buffer that is NaN.
 * @param devices records of each device, in contiguous blocks, as a buffer ends with its device; default: one device
 */
export function volumesUnderSurface(
  labels: Uint8Array,
  scores: Float64Array,
  maxBuffers: readonly number[],
  devices: readonly Segment[] = [{ first: 0, last: labels.length - 1 }],
): Vus[] {
  const blocks = blocksOf(labels, devices);
  if (blocks.every(({ segments }) => segments.length === 0))
    return maxBuffers.map(() => ({ roc: NaN, precisionRecall: NaN }));
  const order = descending(scores);
  const thresholds = pickThresholds(scores, order);
  const areas = Array.from({ length: Math.max(...maxBuffers.filter(Number.isInteger)) + 1 }, (_, buffer) =>
    areaUnderCurves(labels, scores, blocks, order, thresholds, buffer),
  );
  return maxBuffers.map((maxBuffer) => meanArea(areas.slice(0, maxBuffer + 1)));
}

function meanArea(areas: readonly Vus[]): Vus {
  const mean = (pick: (area: Vus) => number): number =>
    areas.reduce((sum, area) => sum + pick(area), 0) / areas.length;
  return { roc: mean(({ roc }) => roc), precisionRecall: mean(({ precisionRecall }) => precisionRecall) };
}

type Threshold = ReturnType<typeof pickThresholds>[number];

/** Thresholds at evenly spaced ranks, highest first, each with the number of records that have at least this score. */
function pickThresholds(scores: Float64Array, order: Uint32Array) {
  const step = (scores.length - 1) / (thresholdCount - 1);
  let predicted = 0;
  return Array.from({ length: thresholdCount }, (_, i) => {
    const rank = i === thresholdCount - 1 ? scores.length - 1 : Math.trunc(i * step);
    const value = scores[order[rank]!]!;
    while (predicted < order.length && scores[order[predicted]!]! >= value) predicted++;
    return { value, predicted };
  });
}

function areaUnderCurves(
  labels: Uint8Array,
  scores: Float64Array,
  blocks: readonly Block[],
  order: Uint32Array,
  thresholds: readonly Threshold[],
  buffer: number,
): Vus {
  const n = labels.length;
  const weights = bufferedLabels(labels, blocks, buffer);
  const anomalous = labels.reduce((count, label) => count + label, 0);
  const peaks = blocks
    .flatMap((block) => widened(block, buffer >> 1))
    .map(({ first, last }) => largest(scores, first, last))
    .sort((a, b) => b - a);

  const area: Vus = { roc: 0, precisionRecall: 0 };
  let [counted, inAll, inBuffers, detected] = [0, 0, 0, 0];
  let [recallBefore, falseBefore] = [0, 0];
  for (const { value, predicted } of thresholds) {
    for (; counted < predicted; counted++) {
      const record = order[counted]!;
      inAll += weights[record]!;
      if (labels[record] === 0) inBuffers += weights[record]!;
    }
    while (detected < peaks.length && peaks[detected]! >= value) detected++;
    // Number of positives: the mean of the anomalous records, and of these with the predicted records in the buffers.
    const positives = anomalous + inBuffers / 2;
    const recall = (Math.min(inAll / positives, 1) * detected) / peaks.length;
    const falseRatio = (predicted - inAll) / (n - positives);
    area.roc += ((falseRatio - falseBefore) * (recall + recallBefore)) / 2;
    area.precisionRecall += ((recall - recallBefore) * inAll) / predicted;
    [recallBefore, falseBefore] = [recall, falseRatio];
  }
  area.roc += ((1 - falseBefore) * (1 + recallBefore)) / 2;
  return area;
}

/** 1 on an anomaly, falling to √½ over half a buffer on either side; at most 1 where buffers overlap. */
function bufferedLabels(labels: Uint8Array, blocks: readonly Block[], buffer: number): Float64Array {
  const weights = Float64Array.from(labels);
  const half = buffer >> 1;
  for (const { segments, ...block } of blocks) {
    for (const { first, last } of segments) {
      for (let distance = 1; distance <= half; distance++) {
        const weight = Math.sqrt(1 - distance / buffer);
        if (last + distance <= block.last) weights[last + distance]! += weight;
        if (first - distance >= block.first) weights[first - distance]! += weight;
      }
    }
  }
  return weights.map((weight) => Math.min(weight, 1));
}

function largest(scores: Float64Array, first: number, last: number): number {
  let max = -Infinity;
  for (let i = first; i <= last; i++) max = Math.max(max, scores[i]!);
  return max;
}
