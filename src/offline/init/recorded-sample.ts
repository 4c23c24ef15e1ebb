/** What was read of a source. */
import type { Message } from '../../sources/source';
import type { LabelRoles } from './inference/labels';
import type { Sample } from './inference/sample';

/** How the records are written. */
export interface SampleFormat {
  /** `json` and the others: the formats of a topic; a file of `json` has one object per line. */
  kind: 'csv' | 'json' | 'json-schema' | 'avro' | 'series';
  /** Separator of a CSV file. */
  separator?: string;
  decimalComma?: boolean;
}

export interface SeriesChoice extends LabelRoles {
  stepMs: number;
  /** What a person should check about the step. */
  stepDoubts: readonly string[];
}

export interface RecordedSample {
  format: SampleFormat;
  sample: Sample;
  /** Rows, lines or messages that were read, also those that are no records. */
  read: number;
  /** Whether the source has more of them. */
  isMore: boolean;
  /** Share of the records between the first and the last one that were read. */
  share: number;
  /** Messages of a topic; those of a file are read again by the source of the proposed detector. */
  messages?: readonly Message[];
  /** Topics that the detector of a topic writes, and that do not exist. */
  missingTopics?: readonly string[];
  /** How series of Prometheus become records. */
  series?: SeriesChoice;
  /** What a person should know of the source. */
  notes: readonly string[];
}
