/**
 * The scores of one device by minute of event time, over the last hours: the most surprising record of each minute, and the
 * largest threshold at which an event would have begun in it.
 */
import type { WitnessedRecord } from '../domain/witnessed-record';

export interface MinuteScore {
  /** Start of the minute, Unix ms. */
  at: number;
  /** Largest surprise of its records. */
  surprise: number;
  /** Threshold of that record. */
  threshold: number;
  /** Number of scored records, and number of anomalous ones; both at most 65,535. */
  records: number;
  anomalous: number;
}

/** The parts of a record that are used. */
export type MinuteRecord = Pick<
  WitnessedRecord,
  'timestamp' | 'surprise' | 'threshold' | 'aboveBaseline' | 'anomalous'
>;

export const minuteMs = 60_000;

/**
 * Columns of a minute: its number since 1970; surprise and threshold in thousandths; the counts in 16 bits each; the largest
 * surprise above the baseline and the largest `opening` in hundredths, in 16 bits each.
 */
export const minuteColumns = 5;
const scale = 1000;
const mostCounted = 0xffff;
const hundredths = 100;
/** Value of `opening` if no event would have begun at any threshold. */
const noOpening = -0x8000;
/** Number that marks a place without a minute. */
const none = -1;

export type ScoreMinutes = ReturnType<typeof createScoreMinutes>;

/** @param minutes number of minutes that are kept */
export function createScoreMinutes(minutes: number) {
  const cells = new Int32Array(minutes * minuteColumns);
  for (let at = 0; at < cells.length; at += minuteColumns) cells[at] = none;
  let newest = none;

  return {
    /** Number of the newest minute since 1970; −1 = none. */
    get newest() {
      return newest;
    },
    /**
     * @param opening returns the largest threshold at which an event would begin with the record; called only if it may be the
     * largest of the minute
     */
    add(
      { timestamp, surprise, threshold, aboveBaseline, anomalous }: MinuteRecord,
      opening: () => number,
    ): void {
      const minute = Math.floor(timestamp / minuteMs);
      if (minute < 0 || minute <= newest - minutes) return;
      const at = (minute % minutes) * minuteColumns;
      const isNew = cells[at] !== minute;
      if (isNew) {
        cells[at] = minute;
        cells[at + 3] = 0;
        cells[at + 4] = pack(noOpening, noOpening);
        newest = Math.max(newest, minute);
      }
      const scaled = Math.round(surprise * scale);
      if (isNew || scaled > cells[at + 1]!) {
        cells[at + 1] = scaled;
        cells[at + 2] = Math.round(threshold * scale);
      }
      const counts = cells[at + 3]!;
      const records = Math.min(mostCounted, (counts & mostCounted) + 1);
      const alarms = Math.min(mostCounted, (counts >>> 16) + (anomalous ? 1 : 0));
      cells[at + 3] = (alarms << 16) | records;
      const above = inHundredths(aboveBaseline);
      // The opening cannot exceed the surprise of its record.
      if (above <= openingIn(at)) return;
      cells[at + 4] = pack(Math.max(above, aboveIn(at)), Math.max(openingIn(at), inHundredths(opening())));
    },
    /** Number of scored records in a minute, which is numbered since 1970. */
    records(minute: number): number {
      const at = placeOf(minute);
      return at === undefined ? 0 : cells[at + 3]! & mostCounted;
    },
    /** Largest surprise above the baseline of a minute with records, and the largest threshold at which an event would have begun. */
    above: (minute: number): number => aboveIn(placeOf(minute)!) / hundredths,
    opening: (minute: number): number => openingIn(placeOf(minute)!) / hundredths,
    /** All minutes with records, the oldest first. */
    list: (): MinuteScore[] =>
      stored().map((at) => ({
        at: cells[at]! * minuteMs,
        surprise: cells[at + 1]! / scale,
        threshold: cells[at + 2]! / scale,
        records: cells[at + 3]! & mostCounted,
        anomalous: cells[at + 3]! >>> 16,
      })),
    /** The stored form: `minuteColumns` numbers per minute, the oldest first. */
    cells(): Int32Array {
      const places = stored();
      const copy = new Int32Array(places.length * minuteColumns);
      for (let i = 0; i < places.length; i++)
        for (let column = 0; column < minuteColumns; column++)
          copy[i * minuteColumns + column] = cells[places[i]! + column]!;
      return copy;
    },
    /** Adds what `cells` of an earlier process returned. */
    restore(earlier: Int32Array): void {
      for (let from = 0; from + minuteColumns <= earlier.length; from += minuteColumns) {
        const minute = earlier[from]!;
        if (minute < 0 || minute <= newest - minutes) continue;
        const at = (minute % minutes) * minuteColumns;
        if (cells[at]! >= minute) continue;
        cells.set(earlier.subarray(from, from + minuteColumns), at);
        newest = Math.max(newest, minute);
      }
    },
  };

  function placeOf(minute: number): number | undefined {
    const at = (minute % minutes) * minuteColumns;
    return cells[at] === minute ? at : undefined;
  }
  function aboveIn(at: number): number {
    return cells[at + 4]! >> 16;
  }
  function openingIn(at: number): number {
    return (cells[at + 4]! << 16) >> 16;
  }

  /** Places of the minutes, the oldest first. */
  function stored(): number[] {
    const places: number[] = [];
    for (let at = 0; at < cells.length; at += minuteColumns)
      if (cells[at]! > newest - minutes && cells[at] !== none) places.push(at);
    return places.sort((a, b) => cells[a]! - cells[b]!);
  }
}

/** Rounded down, so that a record below a threshold stays below it. */
function inHundredths(value: number): number {
  return Math.min(0x7fff, Math.max(noOpening, Math.floor(value * hundredths)));
}

function pack(above: number, opening: number): number {
  return (above << 16) | (opening & 0xffff);
}
