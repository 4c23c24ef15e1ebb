/** How much of a topic a training reads that has more devices than windows of all of them fit into `training.maxRecords`. */
import type { PartitionExtent } from '../sources/history';

/** The records to read of a topic. */
export interface Reading {
  /** Largest number of partitions; undefined: all. */
  partitions?: number;
  /** Records, the newest ones of each partition. */
  records: number;
}

export interface ReadingLimits {
  /** Records that fit. */
  maxRecords: number;
  /** Stretches that the records of a partition are read from. */
  blocks: number;
  /** Records per window. */
  length: number;
  /** Newest share of the history, which calibrates. */
  calibrationShare: number;
}

/** Records that are read for each one that fits, at most. */
const readForEach = 20;

/**
 * A reading further back, of fewer partitions if need be, where most records of the last reading are of devices that have no
 * full window in each stretch, or in the part that calibrates; undefined where there is none, or none is needed.
 *
 * A device then has about √(maxRecords · length) records, so that the history has as many devices as each of them has windows
 * without a common record.
 * @param counts records of each device in the last reading
 */
export function deeperReading(
  { records }: Reading,
  { read, all, available }: PartitionExtent,
  counts: readonly number[],
  { maxRecords, blocks, length, calibrationShare }: ReadingLimits,
): Reading | undefined {
  const typical = typicalCount(counts);
  const least = length * Math.max(blocks, 1 / calibrationShare);
  // A window of one record is full in any case.
  if (length === 1 || typical >= least || read === 0) return undefined;
  const wanted = Math.min(maxRecords / 4, Math.max(2 * least, Math.sqrt(maxRecords * length)));
  const most = readForEach * maxRecords;
  /** Records of a partition. */
  const depth = Math.floor(Math.min((records / read) * (wanted / typical), available / read, most));
  if (depth <= records / read) return undefined;
  const partitions = Math.max(1, Math.min(all, Math.floor(most / depth)));
  return { partitions, records: partitions * depth };
}

/** Half of the records are of devices with at least this number of records; Infinity without records. */
function typicalCount(counts: readonly number[]): number {
  const descending = Float64Array.from(counts).sort().reverse();
  const total = descending.reduce((sum, count) => sum + count, 0);
  let sum = 0;
  return descending.find((count) => (sum += count) >= total / 2) ?? Infinity;
}
