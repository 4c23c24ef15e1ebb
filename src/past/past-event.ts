/** An event of the recent past, with the records around it. */
import type { AnomalyEvent } from '../domain/event';
import type { LabelName } from '../domain/label';
import type { OddImage } from '../domain/witnessed-record';
import { createEventPicture, type EventPicture } from './event-picture';
import { onlyChannels, type RecordColumns } from './recent-records';

/** The label that a person gave to an event. */
export interface EventLabel {
  /** The event was a fault (`anomaly`), it was none (`normal`), or the device works like this from now on (`new normal`). */
  label: LabelName;
  note: string;
  /** Time of the label, Unix ms. */
  at: number;
}

/** An event as it was reported last. */
export interface PastEvent {
  event: AnomalyEvent;
  /** Times of its first and its last report, by the clock of the machine. Unix ms. */
  reportedAt: number;
  updatedAt: number;
  label?: EventLabel;
  /** Process that reported it last; absent in files of older versions. */
  by?: string;
  /** Number of labels so far: a request to label an event states the revision that the person has seen. */
  revision: number;
}

/** An event with the records around it. */
export interface WholeEvent extends PastEvent {
  /** Names of the channels of `records`. */
  channels: readonly string[];
  records: RecordColumns;
  /** The most anomalous image of the event, if records are images. */
  picture?: EventPicture;
}

/** An anomalous image. */
export interface ObservedImage {
  /** Event time, Unix ms. */
  timestamp: number;
  picture: EventPicture;
}

/** The more surprising of the newest image and an earlier one. */
export function odderImage(
  earlier: ObservedImage | undefined,
  { timestamp, surprise }: { timestamp: number; surprise: number },
  keep: () => OddImage,
): ObservedImage {
  if (earlier !== undefined && earlier.picture.surprise >= surprise) return earlier;
  return { timestamp, picture: createEventPicture(surprise, keep()) };
}

/** Maximum number of channels that are stored of an event that is over: those that rank highest. */
const mostChannels = 16;

/** The event with only the channels that rank highest in it. */
export function withTopChannels(whole: WholeEvent): WholeEvent {
  const { event, channels, records } = whole;
  if (channels.length <= mostChannels) return whole;
  const ranked = event.contributions.map(({ channel }) => channels.indexOf(channel)).filter((j) => j >= 0);
  const others = [...channels.keys()].filter((j) => !ranked.includes(j));
  const chosen = [...ranked, ...others].slice(0, mostChannels);
  return { ...whole, channels: chosen.map((j) => channels[j]!), records: onlyChannels(records, chosen) };
}

export function withoutRecords(whole: WholeEvent): PastEvent {
  const past: PastEvent & Partial<WholeEvent> = { ...whole };
  delete past.channels;
  delete past.records;
  delete past.picture;
  return past;
}
