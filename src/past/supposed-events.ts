/**
 * The events that another false-alarm target would have opened, simulated from the minutes of each device, with a resolution of
 * one minute. Of the rules of events, these are applied: the number of records that open and close an event, the silence that
 * ends it, and the alarm budget. Their state before the first minute is unknown, so the budget begins unspent. Events of
 * devices that fall silent or freeze together are not simulated. For the duration of an event, all records of a minute count if
 * one is anomalous.
 */
import { createAlarmBudget } from '../domain/alarm-budget';
import type { EventBar, EventPolicy } from '../domain/event';
import { lastingMargin, noExceedances, withMargin, type Exceedances } from '../domain/lasting-evidence';
import { minuteMs, type ScoreMinutes } from './score-minutes';

export interface DeviceMinutes {
  key: string;
  partition: number;
  minutes: Pick<ScoreMinutes, 'records' | 'above' | 'opening'>;
}

export interface SupposedRules extends Pick<EventPolicy, 'closeAfter' | 'silenceMs' | 'eventsPerMs'> {
  /** Surprise above the baseline from which a record is anomalous. */
  threshold: number;
  eventBar: EventBar;
}

export interface SupposedEvent {
  key: string;
  status: 'open' | 'closed' | 'held_back';
  /** Start of the minute in which the event would have begun, and of the last minute with an anomalous record, Unix ms. */
  start: number;
  end: number;
  /** Largest surprise above the baseline. */
  peakSurprise: number;
}

/** Only a violated limit has a surprise above this; its event is outside the budget. */
const limitSurprise = 200;

/** An event that is not over. */
interface Current {
  event: SupposedEvent;
  opened: boolean;
  exceedances: Exceedances;
  quietRecords: number;
  /** Start of the newest minute with records, Unix ms. */
  heardAt: number;
}

/** Processes the minutes of all devices in their order. */
export function createSupposition(
  devices: readonly DeviceMinutes[],
  { threshold, eventBar, closeAfter, silenceMs, eventsPerMs }: SupposedRules,
) {
  const partitions = new Set(devices.map(({ partition }) => partition));
  const isShared = devices.length > partitions.size;
  const budgets = new Map(
    [...partitions].map((partition) => {
      const budget = eventsPerMs === undefined ? undefined : createAlarmBudget(eventsPerMs);
      budget?.divide(partitions.size, 0);
      return [partition, budget];
    }),
  );
  const current = new Map<string, Current>();
  const over: SupposedEvent[] = [];

  /** Decades by which an event exceeds the bar. */
  const marginOf = ({ event, exceedances }: Current): number =>
    Math.max(event.peakSurprise - threshold - eventBar.margin, lastingMargin(exceedances) - eventBar.lasting);

  function add(one: Current, surprise: number, records: number): void {
    const [ofMinute = 0, ...stronger] = withMargin(one.exceedances, surprise - threshold);
    one.exceedances = [ofMinute + records - 1, ...stronger];
    one.event.peakSurprise = Math.max(one.event.peakSurprise, surprise);
  }

  function end(key: string, one: Current): void {
    const { event, opened } = one;
    current.delete(key);
    if (opened || marginOf(one) >= 0) over.push({ ...event, status: opened ? 'closed' : 'held_back' });
  }

  function tryOpen(one: Current, partition: number): void {
    const { event } = one;
    const margin = marginOf(one);
    if (one.opened || margin < 0) return;
    const budget = budgets.get(partition);
    if (event.peakSurprise < limitSurprise && budget !== undefined) {
      if (!budget.admits(event.key, margin, event.end, isShared)) return;
      budget.charge(`${event.key}/${event.start}`, event.key, event.end);
    }
    one.opened = true;
    event.status = 'open';
  }

  return {
    /** Call for the next minute, which is numbered since 1970. */
    minute(minute: number): void {
      const at = minute * minuteMs;
      for (const { key, partition, minutes } of devices) {
        const records = minutes.records(minute);
        let one = current.get(key);
        if (one !== undefined && at - one.heardAt > silenceMs + minuteMs) {
          end(key, one);
          one = undefined;
        }
        if (records === 0) continue;
        const above = minutes.above(minute);
        if (one !== undefined) one.heardAt = at;
        if (one === undefined && minutes.opening(minute) >= threshold) {
          const event: SupposedEvent = { key, status: 'held_back', start: at, end: at, peakSurprise: above };
          one = { event, opened: false, exceedances: noExceedances, quietRecords: 0, heardAt: at };
          current.set(key, one);
          add(one, above, records);
        } else if (one !== undefined && above >= threshold) {
          one.event.end = at;
          add(one, above, records);
          one.quietRecords = 0;
        } else if (one !== undefined) {
          one.quietRecords += records;
          if (one.quietRecords >= closeAfter) end(key, one);
          continue;
        }
        if (one !== undefined) tryOpen(one, partition);
      }
    },
    /** All events so far, in the order of their starts. */
    events(): SupposedEvent[] {
      const going = [...current.values()].filter((one) => one.opened || marginOf(one) >= 0);
      return [...over, ...going.map(({ event }) => ({ ...event }))].sort((a, b) => a.start - b.start);
    },
  };
}
