/** A source delivers batches and awaits them: the promise is the acknowledgement. */
import type { Origin } from '../domain/record';
import type { DecodeError } from '../errors';

/** One message, not yet decoded. */
export interface Message {
  key: Buffer | null;
  value: Buffer | null;
  /** Transport time (Kafka's message timestamp), Unix ms. */
  timestamp: number;
  origin: Origin;
  /** Delivered again to fill the windows after a restart or a rebalance: it updates state and yields no detections. */
  warmUp: boolean;
  /** Why the source found the message unusable: it is rejected with this reason. */
  problem?: DecodeError | undefined;
}

/** Messages of one topic and partition, in order. */
export interface Batch {
  topic: string;
  partition: number;
  messages: readonly Message[];
  /** Messages after this batch in its partition; undefined if the transport does not report it. */
  lag: number | undefined;
  /**
   * Set from the assignment of the partition to this process until a batch is accepted: another process may have moved on in it.
   * Absent for a source without assignments, such as a file.
   */
  assignment?: Assignment | undefined;
  /** First offset that may be delivered again after a crash: the committed one; undefined if the source commits nothing. */
  committed?: bigint | undefined;
  /** Offset after this batch; absent if it has only warm-up, or the source commits nothing. */
  next?: bigint | undefined;
  /** Messages before the first one are lost and unhandled. */
  gap?: boolean | undefined;
}

/** Where reading of a partition begins. */
export interface Assignment {
  /** First offset that is read. */
  from: bigint;
  /** Messages before this offset are warm-up. */
  liveFrom: bigint;
  /** Offset that the stored state ends with; undefined = stored state, if any, must not be used. */
  after: bigint | undefined;
  /** Whether messages before `liveFrom` have been handled by any process. */
  processedBefore: boolean;
  /** Partitions of the topic, those of other processes included; absent = 1. */
  partitions?: number;
}

/** What a source reads of the stored states of a topic's partitions. */
export interface RestorePoints {
  /** These partitions, and no others, are assigned from now on. */
  keepOnly(partitions: readonly number[]): void;
  /** Last offset before `liveFrom` after which reading can continue; undefined = no stored state. Must not reject. */
  restorePoint(partition: number, liveFrom: bigint): Promise<bigint | undefined>;
  /**
   * Saves the state of a partition that this process gives back, if everything before `committed` is processed and nothing else: the
   * next process then reads nothing again. Must not reject. Absent where no state is stored.
   */
  save?(partition: number, committed: bigint): Promise<void>;
}

/** Resolves when every sink has the batch; the source must not acknowledge it earlier. Delivered again after a rejection. */
export type HandleBatch = (batch: Batch) => Promise<void>;

export interface Source {
  /** Whether the source can deliver (Kafka: connected, with partitions assigned). For /readyz. */
  ready(): { ready: boolean; reason: string };
  /**
   * Bounded sources: number of records delivered, history included. A training may use these. Before `run`, a source may wait for
   * its history; it does not deliver these records then.
   */
  position?(): number | Promise<number>;
  /** Delivers until the source ends (a file) or `stop()`; then resolves. Rejects on an error that is not retriable. */
  run(handle: HandleBatch): Promise<void>;
  /** Stops fetching, waits for the batch in progress and acknowledges it. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Why the connection of a source was replaced; the values of the metric label `reason`. `unreachable`: all retries failed;
 * `crashed`: an error that the client does not retry; `stalled`: nothing arrived, without an error; `fenced`: another process has
 * taken over; `out_of_range`: the next offset does not exist, so the start has to be planned again.
 */
export const restartReasons = ['unreachable', 'crashed', 'stalled', 'fenced', 'out_of_range'] as const;
export type RestartReason = (typeof restartReasons)[number];

/** Commits the offsets of a source in its place, together with the detections of its records. */
export interface OffsetCommitter {
  /** Called at each assignment; resolves when no other process can commit for these partitions. */
  fence(partitions: readonly number[]): Promise<void>;
  /** Commits an offset without detections: where the group begins, or where a recreated topic does. */
  commitStartOffset(partition: number, offset: bigint): Promise<void>;
}

/** Committed offsets, next to the state of the partitions, for a source whose transport keeps none. */
export interface OffsetStore {
  /** The first offset that is not handled yet; undefined = none was committed. Rejects if it is unreadable. */
  load(partition: number): Promise<bigint | undefined>;
  /** Resolves when the offset is on the disk. */
  save(partition: number, offset: bigint): Promise<void>;
}

export interface SourceObserver {
  /** An error that the source survives, such as an unreachable broker. */
  error(error: Error): void;
  info(message: string, fields: Record<string, unknown>): void;
  /** Unhandled records that are lost: retention has passed the committed offset. */
  gap(missing: bigint): void;
  /** Whether records can arrive: connected, with known start offsets. */
  connected?(connected: boolean): void;
  /** A fetch was answered, possibly without records. */
  fetched?(): void;
  /** The connection has ended; another one follows. */
  restarted?(reason: RestartReason): void;
}
