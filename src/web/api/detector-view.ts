/** What the API shows of a detector, and what it can have it do. */
import type { DetectionPower } from '../../scoring/detection-power';
import type { LabelName } from '../../domain/label';
import type { Comparison, VersionSummary } from '../../store/versions';
import type { PastEvent } from '../../past/past-event';
import type { Mutes } from '../../past/mutes';
import type { Past } from '../../past/past';
import type { ScoringProcess } from '../../past/processes';
import type { SupposedEvent } from '../../past/supposed-events';

export interface DetectorState {
  /** Events of each kind that are open. */
  openEvents: number;
  /** Records received per second, over the last half minute. */
  recordsPerSecond: number;
  /** Devices with a window. */
  devices: number;
  budget: {
    /** Events per day that may open in the long run; null without a budget. */
    eventsPerDay: number | null;
    /** 0 = nothing is spent; from 1 on no event opens. */
    spentRatio: number;
    /** Events that opened in the last day of event time, of those that are kept. */
    openedToday: number;
    /** Events that were held back in that time. */
    heldBackToday: number;
  };
  model?: {
    version: string;
    /** Unix ms. */
    createdAt: number;
    /** Surprise from which a record is anomalous. */
    threshold: number;
    /** It scores until a model of the configured kind is trained. */
    coldStart: boolean;
    /** Whether records no longer match the calibration, and how far the evidence of that has come, from 0 to 1. */
    drift: { active: boolean; evidenceRatio: number };
    /** Faults that the version found at its training, and those that it finds in live records. */
    power: { trained?: DetectionPower; live?: DetectionPower };
  };
  training: boolean;
  /** The processes that score, this one first; a stale one has died, and no other one has its partitions yet. */
  processes: ScoringProcess[];
}

/** The alarms that another false-alarm target would have given over the minutes that are kept. */
export interface WhatIf {
  /** As in a configuration. */
  target: string;
  configured: string;
  /** Surprise above the baseline from which a record would be anomalous. */
  threshold: number;
  /** Event time of the span, Unix ms. */
  from: number;
  to: number;
  /** `event`: id of the event that there was at that time, if one is kept. */
  events: readonly (SupposedEvent & { event?: string })[];
  /** Ids of the events that opened in that time, and would not have opened. */
  missed: readonly string[];
}

export interface TrialProgress {
  version: string;
  /** Records that this process has had scored by both versions, and the number that is needed in all. */
  records: number;
  needed: number;
  /** Share of its time that has passed. */
  share: number;
}

/** A detector that runs. Its changes throw an ApiError where they are not possible. */
export interface DetectorView {
  past: Past;
  mutes: Mutes;
  /** The time that "now" means for its records, Unix ms: that of the newest record where a recording is replayed. */
  now(): number;
  state(): DetectorState;
  /** Since when an open event is no longer followed, as its process has died and no other one has its partition; Unix ms. */
  staleSince(past: PastEvent): number | undefined;
  versions(): Promise<VersionSummary[]>;
  /** How far the trial in progress has come in this process; undefined without one. */
  trial(): TrialProgress | undefined;
  /** The report of a version; undefined if there is no such version. */
  report(version: string): Promise<Record<string, unknown> | undefined>;
  /** @param target as in a configuration; undefined = the configured one */
  whatIf(target: string | undefined): Promise<WhatIf>;
  /** Adds a label to where trainings read labels. */
  label(past: PastEvent, label: LabelName, note: string): Promise<PastEvent>;
  /** Starts a training, or requests it of the process that trains. */
  train(): Promise<'started' | 'requested'>;
  /**
   * Makes a version the current one.
   * @param pin it stays that, whatever is trained
   * @param expected the version that is replaced
   */
  use(version: string, pin: boolean, expected: string): Promise<void>;
  unpin(): Promise<void>;
  /** What differs between two versions; undefined if one of them does not exist. */
  compare(first: string, second: string): Promise<Comparison | undefined>;
}

/** Every configured detector, in the order of the configuration. */
export interface DetectorEntry {
  name: string;
  ready: boolean;
  reason: string;
  /** Undefined while it does not run. */
  view: DetectorView | undefined;
}
