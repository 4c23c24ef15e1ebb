/** The parts of a kind of sink. Each kind is a file or folder next to this file, and a line in sinks.ts. */
import type { AnomalyEvent } from '../domain/event';
import type { Logger } from '../logger';
import type { Parsed, Section } from '../schema/key';
import type { SectionRule } from '../schema/rule';
import type { OffsetCommitter } from '../sources/source';
import type { SourceSettings } from '../sources/configured';
import type { Fleet } from './notification/claims';
import type { NotificationCounts } from './notification/delivery';
import type { Sink, TransactionResult } from './sink';

/** Settings of the detector that sinks read in addition to their own section. */
export interface SinkScope {
  /** Name of the detector. */
  detector: string;
  source: SourceSettings;
  delivery: 'at-least-once' | 'exactly-once';
}

/** Arguments of `create` in addition to the settings. */
export interface SinkContext {
  detector: SinkScope;
  log: Logger;
  onTransaction: (result: TransactionResult) => void;
  /** The most surprising open events in their present state; none until the detector has started. */
  openEvents: (limit: number) => readonly AnomalyEvent[];
  /** Absent if no other process can score the detector. */
  fleet?: Fleet | undefined;
  /** Counts the notifications of the sink with this name. */
  notifications: (sink: string) => NotificationCounts;
}

export interface CreatedSink<Settings extends object = object> {
  sink: Sink;
  /** Applies other settings, for keys that can be reloaded. */
  reload?(settings: Settings): void;
  /** Set if the sink commits the offsets of the source together with the detections. */
  committer?: OffsetCommitter;
}

/** A kind of sink. Its functions are declared as methods, so that kinds with different settings fit into one list. */
export interface SinkSpec<S extends Section, Settings extends object = Parsed<S>> {
  /** Keys of the sink, under `sinks.<name>`. */
  section: S;
  rules: readonly SectionRule<Settings, SinkScope>[];
  /** Returns undefined if the settings do not enable the sink. */
  create(settings: Settings, context: SinkContext): Promise<CreatedSink<Settings> | undefined>;
}

/** A sink of unknown kind. */
export type AnySinkSpec = SinkSpec<Section, object>;
