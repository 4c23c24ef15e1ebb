/** A source delivers batches and waits for each; the promise is the acknowledgement. */
import type { Origin } from '../domain/record';
import type { DecodeError } from '../errors';

/** One message, not yet decoded. */
export interface Message {
  key: Buffer | null;
  value: Buffer | null;
  /** Transport time (Kafka's message timestamp), Unix ms. */
  timestamp: number;
  origin: Origin;
  /**
   * Whether the message is delivered again to fill the windows after a restart or a rebalance. It updates the state and yields
   * no detections.
   */
  warmUp: boolean;
  /** Set if the source found the message unusable; the message is rejected for this reason. */
  problem?: DecodeError | undefined;
}

/** Messages of one topic and partition, in order. */
export interface Batch {
  topic: string;
  partition: number;
  messages: readonly Message[];
  /** Number of messages after this batch in its partition; undefined if the transport does not report it. */
  lag: number | undefined;
  /**
   * Set from the assignment of the partition to this process until a batch is accepted, as another process may have processed
   * messages before. Absent for a source without assignments, such as a file.
   */
  assignment?: Assignment | undefined;
  /**
   * The committed offset, from which messages may be delivered again after a crash; undefined if the source commits nothing.
   */
  committed?: bigint | undefined;
  /** Offset after this batch; absent if the batch has only warm-up messages, or if the source commits nothing. */
  next?: bigint | undefined;
  /** Whether messages before the first one are lost and unhandled. */
  gap?: boolean | undefined;
}

/** The position at which reading of a partition begins. */
export interface Assignment {
  /** First offset that is read. */
  from: bigint;
  /** Messages before this offset are warm-up. */
  liveFrom: bigint;
  /** Offset at which the stored state ends; undefined = a stored state must not be used. */
  after: bigint | undefined;
  /** Whether messages before `liveFrom` have been handled by any process. */
  processedBefore: boolean;
  /** Number of partitions of the topic, those of other processes included; absent = 1. */
  partitions?: number;
}

/** The stored states of a topic's partitions, as far as a source needs them. */
export interface RestorePoints {
  /** Call at an assignment: only these partitions are assigned from now on. */
  keepOnly(partitions: readonly number[]): void;
  /** Last offset before `liveFrom` after which reading can continue; undefined = there is no usable state. Must not reject. */
  restorePoint(partition: number, liveFrom: bigint): Promise<bigint | undefined>;
  /**
   * Saves the state of a partition that this process releases, provided that exactly the messages before `committed` are
   * processed. The next process then reads no message again. Must not reject. Absent if no state is stored.
   */
  save?(partition: number, committed: bigint): Promise<void>;
}

/**
 * Resolves when every sink has the batch. The source must not acknowledge the batch earlier, and delivers it again after a
 * rejection.
 */
export type HandleBatch = (batch: Batch) => Promise<void>;

export interface Source {
  /** Whether the source can deliver (Kafka: connected, with partitions assigned). Shown on /readyz. */
  ready(): { ready: boolean; reason: string };
  /**
   * For bounded sources: number of records delivered, history included; a training may use these. Before `run`, a source may
   * wait for its history, and then does not deliver those records.
   */
  position?(): number | Promise<number>;
  /**
   * Delivers until the source ends (a file) or `stop()` is called, and then resolves. Rejects on an error that is not
   * retriable.
   */
  run(handle: HandleBatch): Promise<void>;
  /** Stops fetching, waits for the batch in progress and acknowledges it. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Reasons to replace the connection of a source; values of the metric label `reason`. `unreachable`: all retries failed;
 * `crashed`: an error that the client does not retry; `stalled`: nothing arrived, without an error; `fenced`: another process
 * has taken over; `out_of_range`: the next offset does not exist, so the start must be planned again.
 */
export const restartReasons = ['unreachable', 'crashed', 'stalled', 'fenced', 'out_of_range'] as const;
export type RestartReason = (typeof restartReasons)[number];

/** Commits the offsets for a source, together with the detections of its records. */
export interface OffsetCommitter {
  /** Call at each assignment. Resolves when no other process can commit for these partitions. */
  fence(partitions: readonly number[]): Promise<void>;
  /** Commits an offset without detections: the start of a group, or of a recreated topic. */
  commitStartOffset(partition: number, offset: bigint): Promise<void>;
}

/** Stores committed offsets next to the state of the partitions, for a source whose transport stores none. */
export interface OffsetStore {
  /** The first offset that is not handled yet; undefined if none was committed. Rejects if the stored offset is unreadable. */
  load(partition: number): Promise<bigint | undefined>;
  /** Resolves when the offset is on the disk. */
  save(partition: number, offset: bigint): Promise<void>;
}

export interface SourceObserver {
  /** Reports an error from which the source recovers, such as an unreachable broker. */
  error(error: Error): void;
  info(message: string, fields: Record<string, unknown>): void;
  /** Reports the number of unhandled records that were lost because retention passed the committed offset. */
  gap(missing: bigint): void;
  /** Reports whether records can arrive: the source is connected, and start offsets are known. */
  connected?(connected: boolean): void;
  /** Reports that a fetch was answered, possibly without records. */
  fetched?(): void;
  /** Reports that the connection has ended, and that another one follows. */
  restarted?(reason: RestartReason): void;
}
