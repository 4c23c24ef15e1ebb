/** The data of a detector in the API, and the changes that the API can make. */
import type { DetectionPower } from '../../scoring/detection-power';
import type { LabelName } from '../../domain/label';
import type { Comparison, VersionSummary } from '../../store/versions';
import type { PastEvent } from '../../past/past-event';
import type { Mutes } from '../../past/mutes';
import type { Past } from '../../past/past';
import type { ScoringProcess } from '../../past/processes';
import type { SupposedEvent } from '../../past/supposed-events';

export interface DetectorState {
  /** Number of open events of each kind. */
  openEvents: number;
  /** Records received per second, averaged over the last half minute. */
  recordsPerSecond: number;
  /** Number of devices with a window. */
  devices: number;
  budget: {
    /** Events per day that may open in the long run; null without a budget. */
    eventsPerDay: number | null;
    /** Spent share of the burst: 0 = nothing is spent; from 1 on no event opens. */
    spentRatio: number;
    /** Number of events that opened in the last day of event time, among those that are kept. */
    openedToday: number;
    /** Number of events that were held back in that time. */
    heldBackToday: number;
  };
  model?: {
    version: string;
    /** Unix ms. */
    createdAt: number;
    /** Surprise from which a record is anomalous. */
    threshold: number;
    /** Set if the version scores only until a model of the configured kind is trained. */
    coldStart: boolean;
    /** Whether records no longer match the calibration, and how strong the evidence is, from 0 to 1. */
    drift: { active: boolean; evidenceRatio: number };
    /** Detection power of the version at its training, and in live records. */
    power: { trained?: DetectionPower; live?: DetectionPower };
  };
  training: boolean;
  /** The processes that score, beginning with this one. A stale process has died, and no other one has its partitions yet. */
  processes: ScoringProcess[];
}

/** The alarms that another false-alarm target would have raised over the minutes that are kept. */
export interface WhatIf {
  /** False-alarm target, as in a configuration. */
  target: string;
  configured: string;
  /** Surprise above the baseline from which a record would have been anomalous. */
  threshold: number;
  /** Beginning of the span in event time, Unix ms. */
  from: number;
  to: number;
  /** `event`: id of the event that opened at that time, if it is kept. */
  events: readonly (SupposedEvent & { event?: string })[];
  /** Ids of the events that opened in that time, but would not have opened with this target. */
  missed: readonly string[];
}

export interface TrialProgress {
  version: string;
  /** Number of records that both versions have scored in this process, and the total number needed. */
  records: number;
  needed: number;
  /** Share of the duration of the trial that has passed. */
  share: number;
}

/** A running detector. Its changes throw an ApiError if they are not possible. */
export interface DetectorView {
  past: Past;
  mutes: Mutes;
  /** The present time for its records, Unix ms; for a replayed recording, the time of the newest record. */
  now(): number;
  state(): DetectorState;
  /**
   * Time since which no process follows an open event, because its process has died and no other one has the partition; Unix
   * ms.
   */
  staleSince(past: PastEvent): number | undefined;
  versions(): Promise<VersionSummary[]>;
  /** Progress of a trial in this process; undefined without a trial. */
  trial(): TrialProgress | undefined;
  /** The report of a version; undefined if there is no such version. */
  report(version: string): Promise<Record<string, unknown> | undefined>;
  /** @param target as in a configuration; undefined = the configured one */
  whatIf(target: string | undefined): Promise<WhatIf>;
  /** Adds a label in the place from which trainings read labels. */
  label(past: PastEvent, label: LabelName, note: string): Promise<PastEvent>;
  /** Starts a training, or requests it from the process that trains. */
  train(): Promise<'started' | 'requested'>;
  /**
   * Makes a version the current one.
   * @param pin whether it stays current after further trainings
   * @param expected the version that it replaces
   */
  use(version: string, pin: boolean, expected: string): Promise<void>;
  unpin(): Promise<void>;
  /** The differences between two versions; undefined if one of them does not exist. */
  compare(first: string, second: string): Promise<Comparison | undefined>;
}

/** A configured detector. */
export interface DetectorEntry {
  name: string;
  ready: boolean;
  reason: string;
  /** Undefined while the detector does not run. */
  view: DetectorView | undefined;
}
