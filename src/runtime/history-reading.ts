/** How far back a training reads a topic, if windows of all its devices do not fit into `training.maxRecords`. */
import type { PartitionExtent } from '../sources/history';

/** The records to read of a topic. */
export interface Reading {
  /** Largest number of partitions; undefined: all. */
  partitions?: number;
  /** Number of records, the newest ones of each partition. */
  records: number;
}

export interface ReadingLimits {
  /** Number of records that the data set can have. */
  maxRecords: number;
  /** Number of stretches from which the records of a partition are read. */
  blocks: number;
  /** Records per window. */
  length: number;
  /** Share of the history that calibrates: the newest part. */
  calibrationShare: number;
}

/** At most this many records are read for each one that the data set can have. */
const readForEach = 20;

/**
 * A reading further back, of fewer partitions if need be. It is needed if most records of the last reading are of devices that
 * have no full window in each stretch, or in the part that calibrates. Undefined if it is not needed, or not possible.
 *
 * A device then has about √(maxRecords · length) records, so that the number of devices equals the number of non-overlapping
 * windows per device.
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
  /** Number of records per partition. */
  const depth = Math.floor(Math.min((records / read) * (wanted / typical), available / read, most));
  if (depth <= records / read) return undefined;
  const partitions = Math.max(1, Math.min(all, Math.floor(most / depth)));
  return { partitions, records: partitions * depth };
}

/** Half of the records belong to devices with at least this number of records; Infinity without records. */
function typicalCount(counts: readonly number[]): number {
  const descending = Float64Array.from(counts).sort().reverse();
  const total = descending.reduce((sum, count) => sum + count, 0);
  let sum = 0;
  return descending.find((count) => (sum += count) >= total / 2) ?? Infinity;
}
