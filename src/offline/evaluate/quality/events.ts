/** Quality of flags and events against labelled events: runs of anomalous records of one device. */
import { rowsOfDevices } from './devices';
import { segmentsOf, type Segment } from './segments';

/** An event of the detector: the first and the last anomalous record. */
export interface FoundEvent extends Segment {
  key: string;
  /** Devices of an event with several; `key` is the first one. */
  keys?: readonly string[];
}

/** Results for the labelled records, in order of time. Columns of equal length; events refer to them by index. */
export interface EventColumns {
  labels: Uint8Array;
  flags: Uint8Array;
  /** Device of each record; undefined = all records are of one device. */
  keys?: readonly string[] | undefined;
  /** Undefined = the detector has no events. */
  opened?: readonly FoundEvent[] | undefined;
  /** Events that the alarm budget held back. */
  heldBack?: readonly FoundEvent[] | undefined;
  /** Alarm budget of the detector, events per day; undefined = none. */
  budgetPerDay?: number | undefined;
  /** Records of all devices per day; undefined = the records have no times. */
  recordsPerDay?: number | undefined;
}

export type EventCounts = ReturnType<typeof countEvents>;

export function eventRates(columns: EventColumns) {
  const { labels, recordsPerDay, opened } = columns;
  const devices = splitByDevice(columns);
  const delays = devices.flatMap(delaysOf);
  const counts = addEventCounts(devices.map(countEvents));
  if (opened === undefined)
    counts.foundEvents =
      counts.openedEvents =
      counts.falseEvents =
      counts.heldBackEvents =
      counts.foundBeforeHoldingBack =
        NaN;
  return {
    ...counts,
    ...eventShares(counts, labels.length, labels.length / (recordsPerDay ?? NaN)),
    /** Share of the labelled events with at least one flag; NaN if there are none. */
    eventRecall: delays.length / counts.events,
    /** Median number of records from the beginning of a labelled event to its first flag; NaN without flags. */
    delay: median(delays),
  };
}

export function addEventCounts(all: readonly EventCounts[]): EventCounts {
  const sum = (pick: (one: EventCounts) => number): number =>
    all.reduce((total, one) => total + pick(one), 0);
  return {
    events: sum((one) => one.events),
    foundEvents: sum((one) => one.foundEvents),
    openedEvents: sum((one) => one.openedEvents),
    falseEvents: sum((one) => one.falseEvents),
    heldBackEvents: sum((one) => one.heldBackEvents),
    foundBeforeHoldingBack: sum((one) => one.foundBeforeHoldingBack),
  };
}

/**
 * NaN where the denominator is 0.
 * @param days duration of the records; NaN if they have no times
 */
export function eventShares(
  { events, foundEvents, openedEvents, falseEvents, foundBeforeHoldingBack }: EventCounts,
  records: number,
  days: number,
) {
  return {
    /** Share of the labelled events that were found. */
    foundRatio: foundEvents / events,
    /** Share of the labelled events that were found, if events that were held back count, too. */
    foundRatioBeforeHoldingBack: foundBeforeHoldingBack / events,
    /** Share of the opened events that overlap a labelled one. */
    eventPrecision: (openedEvents - falseEvents) / openedEvents,
    falseEventsPerDay: falseEvents / days,
    falseEventsPer1000Records: (1000 * falseEvents) / records,
  };
}

interface DeviceColumns {
  labels: Uint8Array;
  flags: Uint8Array;
  opened: readonly Segment[];
  heldBack: readonly Segment[];
  /** Parts of events of several devices that are counted at another device. */
  openedParts: readonly Segment[];
  heldBackParts: readonly Segment[];
}

function splitByDevice(columns: EventColumns): DeviceColumns[] {
  const { labels, flags, keys, opened = [], heldBack = [] } = columns;
  if (keys === undefined) return [{ labels, flags, opened, heldBack, openedParts: [], heldBackParts: [] }];
  return rowsOfDevices(keys, labels.length).map((rows) => {
    const key = keys[rows[0]!]!;
    const ofDevice = (events: readonly FoundEvent[]): Segment[] =>
      events.flatMap((event) => (event.key === key ? withinRows(event, rows) : []));
    const partsOf = (events: readonly FoundEvent[]): Segment[] =>
      events.flatMap((event) =>
        event.key !== key && event.keys?.includes(key) === true ? withinRows(event, rows) : [],
      );
    return {
      labels: Uint8Array.from(rows, (row) => labels[row]!),
      flags: Uint8Array.from(rows, (row) => flags[row]!),
      opened: ofDevice(opened),
      heldBack: ofDevice(heldBack),
      openedParts: partsOf(opened),
      heldBackParts: partsOf(heldBack),
    };
  });
}

/** The segment in indices into ascending `rows`; undefined if it contains none of them. */
export function withinRows({ first, last }: Segment, rows: readonly number[]): Segment[] {
  const from = rows.findIndex((row) => row >= first);
  const to = rows.findLastIndex((row) => row <= last);
  return from === -1 || to < from ? [] : [{ first: from, last: to }];
}

function countEvents({ labels, opened, heldBack, openedParts, heldBackParts }: DeviceColumns) {
  const labelled = segmentsOf(labels);
  const overlap = (a: Segment, b: Segment): boolean => a.first <= b.last && b.first <= a.last;
  const foundBy = (events: readonly Segment[]): number =>
    labelled.filter((one) => events.some((event) => overlap(one, event))).length;
  return {
    /** Number of labelled events. */
    events: labelled.length,
    /** Number of labelled events that overlap an opened one. */
    foundEvents: foundBy([...opened, ...openedParts]),
    /** Number of opened events with at least one labelled record. */
    openedEvents: opened.length,
    /** Number of opened events that overlap no labelled event. */
    falseEvents: opened.filter((event) => !labelled.some((one) => overlap(one, event))).length,
    /** Number of events that the alarm budget held back. */
    heldBackEvents: heldBack.length,
    /** Number of labelled events that overlap an opened or a held-back one. */
    foundBeforeHoldingBack: foundBy([...opened, ...heldBack, ...openedParts, ...heldBackParts]),
  };
}

function delaysOf({ labels, flags }: DeviceColumns): number[] {
  return segmentsOf(labels).flatMap(({ first, last }) => {
    const flag = flags.indexOf(1, first);
    return flag === -1 || flag > last ? [] : [flag - first];
  });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle - 1)]! + sorted[Math.floor(middle)]!) / 2;
}
