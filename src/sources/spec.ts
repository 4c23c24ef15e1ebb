/** What a kind of source consists of. Each is a folder beside this file and a line in sources.ts. */
import type { ConditionSpec } from '../domain/record';
import type { TimestampFormat } from '../domain/time';
import type { Logger } from '../logger';
import type { Parsed, Section } from '../schema/key';
import type { SectionRule } from '../schema/rule';
import type { ReadHistory } from './history';
import type { OffsetCommitter, OffsetStore, RestorePoints, Source, SourceObserver } from './source';

/** What the rules of a source can read of a detector besides their own section. */
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

/** What a source is created with besides its settings. */
export interface SourceContext {
  log: Logger;
  /** Channels of the detector; empty for images. */
  channels: readonly string[];
  observer: SourceObserver;
  /** Where reading of a partition can continue. */
  restorePoints: RestorePoints;
  /** Undefined: the source commits its offsets itself. */
  committer: OffsetCommitter | undefined;
  /** Folder of the detector in the store, for what the source keeps itself. */
  folder: string;
  /** Keeps committed offsets where the transport does not. */
  offsets: OffsetStore;
  /** Called by a bounded source each time it has delivered all of its records. */
  onPassEnd: (pass: number) => void | Promise<void>;
  /** How times are written in records. */
  timestampFormat: TimestampFormat;
  /** Time zone of times that name none; empty: they are rejected. */
  timeZone: string;
  /** Time within which the whole detector has to stop, ms. */
  shutdownTimeoutMs: number;
}

export interface HistoryContext {
  log: Logger;
  /** Folder of the detector in the store; empty where there is none. */
  folder: string;
  /** Number of first records of a bounded source that count as history; undefined: as many as its settings state. */
  records: number | undefined;
  /** How times are written in records. */
  timestampFormat: TimestampFormat;
  /** Time zone of times that name none; empty: they are rejected. */
  timeZone: string;
}

/** How the state of a source's partitions is stored. */
export interface StateSettings {
  /** State that was stored for another group is not used: that group may be at another offset. */
  group: string;
  /** Offsets between two saves of a partition, at least. */
  saveEvery: number;
  /** Offsets between the stored state and the next record that are read again, at most. */
  maxReplay: number;
}

/** A stretch of a recording with a known fault, Unix ms. */
export interface KnownFault {
  start: number;
  end: number;
  kind: string;
  channels: readonly string[];
}

/** A kind of source. Its functions are methods, so that those of different settings fit into one list. */
export interface SourceSpec<S extends Section, Settings extends object = Parsed<S>> {
  /** One sentence for the documentation of `source.kind`. */
  doc: string;
  /** Its keys, under `source.<kind>`. */
  section: S;
  rules: readonly SectionRule<Settings, RecordScope>[];
  /** Whether its records come to an end: then open events are closed there, and without enough history there is no model. */
  bounded: boolean;
  /** Fills in settings whose default depends on the detector. */
  complete?(settings: Settings, detector: string): Settings;
  /** The topic or path that names the origin of its records. */
  topic(settings: Settings): string;
  /** Absent: the state is not stored, and each start begins with an empty one. */
  state?(settings: Settings): StateSettings;
  /** Records per second of a replay whose schedule follows the time of its records; undefined: it follows the wall clock. */
  replayRate?(settings: Settings): number | undefined;
  /** Faults that are known to be in a recording; undefined where none are stated. */
  knownFaults?(settings: Settings): Promise<readonly KnownFault[]> | undefined;
  /** Loads the implementation, which the check of a configuration does without. */
  create(settings: Settings, context: SourceContext): Promise<Source>;
  createHistory(settings: Settings, context: HistoryContext): Promise<ReadHistory>;
}

/** A source of unknown kind. */
export type AnySourceSpec = SourceSpec<Section, object>;
