/** A source hands over batches and awaits them: the promise is the acknowledgement. */
import type { Origin } from '../domain/record';

/** One message, not yet decoded. */
export interface Message {
  key: Buffer | null;
  value: Buffer | null;
  /** The transport's time (Kafka's message timestamp), Unix ms. */
  timestamp: number;
  origin: Origin;
  /**
   * True for a message before the committed offset, handed over again only to warmUp the windows after a
   * restart or a rebalance: it updates state, and no verdict leaves.
   */
  warmUp: boolean;
}

/** Messages of one topic and partition, in order. */
export interface Batch {
  topic: string;
  partition: number;
  messages: readonly Message[];
  /** Messages behind this batch in its partition, where the transport knows; else undefined. */
  lag: number | undefined;
  /**
   * On the first batch since the partition was assigned to this process, until that is taken: another one may have moved on
   * in it. Absent where there is no such thing, as with a file.
   */
  assignment?: Assignment | undefined;
  /** First offset that may come again after a crash: what the source has committed; undefined where it commits nothing. */
  committed?: bigint | undefined;
  /** Where the partition goes on behind this batch; absent where it has only warmUps, or the source commits nothing. */
  next?: bigint | undefined;
  /** Messages before the first one are gone, which nobody has handled. */
  gap?: boolean | undefined;
}

/** Where reading of a partition begins. */
export interface Assignment {
  /** First offset that is read. */
  from: bigint;
  /** Messages below this one are warmUps. */
  liveFrom: bigint;
  /** The offset behind which what is remembered goes on; undefined = what was remembered, if anything, is of no use. */
  after: bigint | undefined;
  /** Whether messages before `liveFrom` have been handled by someone. */
  processedBefore: boolean;
}

/** What a source has to ask of what is remembered of a topic's partitions. */
export interface RestorePoints {
  /** These are assigned from now on, and no others. */
  keepOnly(partitions: readonly number[]): void;
  /** The last offset before `liveFrom` behind which reading can go on; undefined = nothing is remembered. May not reject. */
  restorePoint(partition: number, liveFrom: bigint): Promise<bigint | undefined>;
}

/** Resolves when every sink has the batch; until then the source may not acknowledge it. Rejecting makes it come again. */
export type HandleBatch = (batch: Batch) => Promise<void>;

export interface Source {
  /** Whether the source has what it needs to deliver (for Kafka: connected and partitions assigned). For /readyz. */
  ready(): { ready: boolean; reason: string };
  /** Of a bounded source: how many of its records have been delivered, history included. A training may use these. */
  position?(): number;
  /** Delivers until the source ends (a file) or `stop()`; resolves then. Rejects on an error that is not retriable. */
  run(handle: HandleBatch): Promise<void>;
  /** Stops fetching, waits for the batch under way and acknowledges it. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Why a connection to a source was given up and made anew. `unreachable`: whoever should answer has not, for all tries;
 * `crashed`: an error that the client does not try again on; `stalled`: nothing came any more, and nothing was said;
 * `fenced`: another process has gone on; `out_of_range`: there is nothing where the source was, so it has to find its place
 * again. Bounded: these are the values of the metric label `reason`.
 */
export const restartReasons = ['unreachable', 'crashed', 'stalled', 'fenced', 'out_of_range'] as const;
export type RestartReason = (typeof restartReasons)[number];

/** Who commits the offsets of a source in its stead, together with what came of its records. */
export interface OffsetCommitter {
  /** Called at each assignment; resolves when no other process can commit for these partitions any more. */
  fence(partitions: readonly number[]): Promise<void>;
  /** Puts the group at an offset without any verdicts: where it begins, or where a topic does that was made anew. */
  commitStartOffset(partition: number, offset: bigint): Promise<void>;
}

/** What a source needs to say of its own troubles. */
export interface SourceObserver {
  /** An error that the source survives (a broker that is not there yet). */
  error(error: Error): void;
  info(message: string, fields: Record<string, unknown>): void;
  /** Records that the source knows were lost to it (retention passed the committed offset). */
  gap(missing: bigint): void;
  /** Whether records can come: connected, and it is known from where on. */
  connected?(connected: boolean): void;
  /** What there is has been asked for and answered, if with nothing. */
  fetched?(): void;
  /** The connection was given up; another one follows. */
  restarted?(reason: RestartReason): void;
}
