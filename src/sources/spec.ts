/** The parts of a kind of source. Each kind is a folder next to this file, and a line in sources.ts. */
import type { ConditionSpec } from '../domain/record';
import type { TimestampFormat } from '../domain/time';
import type { Logger } from '../logger';
import type { Parsed, Section } from '../schema/key';
import type { SectionRule } from '../schema/rule';
import type { ReadHistory } from './history';
import type { OffsetCommitter, OffsetStore, RestorePoints, Source, SourceObserver } from './source';

/** Settings of a detector that the rules of a source can read besides their own section. */
export interface RecordScope {
  record: {
    kind: 'sensor' | 'image';
    format: string;
    image: { format: 'auto' | 'raw'; colour: 'grey' | 'rgb' };
    channels: readonly string[];
    conditions: readonly ConditionSpec[];
  };
  fields: { image: string; key: string; timestamp: string };
}

/** Arguments with which a source is created, besides its settings. */
export interface SourceContext {
  log: Logger;
  /** Channels of the detector; empty for images. */
  channels: readonly string[];
  observer: SourceObserver;
  /** Positions from which reading of a partition can continue. */
  restorePoints: RestorePoints;
  /** Undefined if the source commits its offsets itself. */
  committer: OffsetCommitter | undefined;
  /** Folder of the detector in the store, for files of the source. */
  folder: string;
  /** Store for committed offsets, for a source whose transport keeps none. */
  offsets: OffsetStore;
  /** Called by a bounded source each time it has delivered all of its records. */
  onPassEnd: (pass: number) => void | Promise<void>;
  /** Format of times in records. */
  timestampFormat: TimestampFormat;
  /** Time zone for times that state none; empty = such times are rejected. */
  timeZone: string;
  /** Time within which the whole detector must stop, ms. */
  shutdownTimeoutMs: number;
}

export interface HistoryContext {
  log: Logger;
  /** Folder of the detector in the store; empty if there is none. */
  folder: string;
  /** Number of first records of a bounded source that are history; undefined = the number in its settings. */
  records: number | undefined;
  /** Format of times in records. */
  timestampFormat: TimestampFormat;
  /** Time zone for times that state none; empty = such times are rejected. */
  timeZone: string;
}

/** Settings for the stored state of a source's partitions. */
export interface StateSettings {
  /** Name of the consumer group. State stored for another group is not used, as that group may be at another offset. */
  group: string;
  /** Minimum number of offsets between two saves of a partition. */
  saveEvery: number;
  /** Maximum number of offsets between the stored state and the next record. They are read again. */
  maxReplay: number;
}

/** A stretch of a recording with a known fault, Unix ms. */
export interface KnownFault {
  start: number;
  end: number;
  kind: string;
  channels: readonly string[];
}

/** A kind of source. Its functions are declared as methods, so that kinds with different settings fit into one list. */
export interface SourceSpec<S extends Section, Settings extends object = Parsed<S>> {
  /** One sentence on the kind, for the documentation of `source.kind`. */
  doc: string;
  /** Keys of the source, under `source.<kind>`. */
  section: S;
  rules: readonly SectionRule<Settings, RecordScope>[];
  /** Whether its records end. If so, open events are closed at the end, and without enough history there is no model. */
  bounded: boolean;
  /** Fills in settings whose defaults depend on the detector. */
  complete?(settings: Settings, detector: string): Settings;
  /** The topic or path that is the origin of its records. */
  topic(settings: Settings): string;
  /** If absent, the state is not stored, and each start begins with an empty one. */
  state?(settings: Settings): StateSettings;
  /** Records per second of a replay whose schedule follows the time of its records; undefined if it follows the wall clock. */
  replayRate?(settings: Settings): number | undefined;
  /** Known faults of a recording; undefined if none are stated. */
  knownFaults?(settings: Settings): Promise<readonly KnownFault[]> | undefined;
  /** Loads the implementation. To check a configuration, it is not needed. */
  create(settings: Settings, context: SourceContext): Promise<Source>;
  createHistory(settings: Settings, context: HistoryContext): Promise<ReadHistory>;
}

/** A source of unknown kind. */
export type AnySourceSpec = SourceSpec<Section, object>;
