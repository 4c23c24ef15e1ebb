/** The records that were read from a source. */
import type { Message } from '../../sources/source';
import type { LabelRoles } from './inference/labels';
import type { Sample } from './inference/sample';

/** The format of the records. */
export interface SampleFormat {
  /** `json` and the formats below are those of a topic; a `json` file has one object per line. */
  kind: 'csv' | 'json' | 'json-schema' | 'avro' | 'series';
  /** Separator of a CSV file. */
  separator?: string;
  decimalComma?: boolean;
}

export interface SeriesChoice extends LabelRoles {
  stepMs: number;
  /** Notes about the step that a person should check. */
  stepDoubts: readonly string[];
}

export interface RecordedSample {
  format: SampleFormat;
  sample: Sample;
  /** Number of rows, lines or messages that were read, including those that are not records. */
  read: number;
  /** Whether the source has more. */
  isMore: boolean;
  /** Share of the records between the first and the last one that was read. */
  share: number;
  /** Messages of a topic. Those of a file are read again through the source of the proposed detector. */
  messages?: readonly Message[];
  /** Topics that the detector writes and that do not exist. */
  missingTopics?: readonly string[];
  /** How series of Prometheus are combined into records. */
  series?: SeriesChoice;
  /** Notes about the source for the person. */
  notes: readonly string[];
}
