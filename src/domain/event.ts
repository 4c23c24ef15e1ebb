/** Merges the detections of a key into events. */
import type { AlarmBudgetSnapshot } from './alarm-budget';
import { bySurprise, type AnomalyEvent } from './anomaly-event';
import type { Detection } from './detection';
import { createDeviceEvents, type AcceptedDevices } from './device-events';
import { createEventBudget, PartitionClock } from './event-budget';
import { createLabelFinder, labellable, type EventLabel } from './event-labels';
import { noBar, type EventPolicy } from './event-policy';
import { createFrozenDevices, type FrozenDevicesSnapshot } from './frozen-devices';
import { snapshotOf } from './gathering';
import { highest } from './highest';
import { meaningOf, type Label } from './label';
import { createPastEvents, type AcceptedEvent, type PastEvent } from './past-events';
import type { DeviceLinks } from './recency';
import { createSilentDevices, type SilenceRules, type SilentDevicesSnapshot } from './silent-devices';
import { Suppressed, Suspicions, type SuspicionsSnapshot } from './suspicions';

export type { AnomalyEvent, EventEnding } from './anomaly-event';
export type { EventLabel } from './event-labels';
export { noBar, type EventBar, type EventPolicy } from './event-policy';

export interface EventsSnapshot {
  clock: number;
  suspicions: SuspicionsSnapshot;
  suppressed: readonly (readonly [key: string, until: number])[];
  firstKey: string | undefined;
  shared: boolean;
  /** Absent where there is no budget. */
  budget?: AlarmBudgetSnapshot | undefined;
  /** Absent where no device is watched. */
  silent?: SilentDevicesSnapshot | undefined;
  /** Absent in the state of older versions. */
  past?: readonly PastEvent[];
  frozen?: FrozenDevicesSnapshot;
}

export interface LabelEffect {
  /** Events that the label ends. */
  events: readonly AnomalyEvent[];
  /** A device whose new normal since a time, Unix ms, is undone: its baseline returns to the mark. */
  undone?: { key: string; since: number; modelVersion: string; mark: readonly number[] };
  accepted?: AcceptedDevices;
}

const none: readonly AnomalyEvent[] = [];
const noMark = (): readonly number[] => [];

/** Tracks the events of all keys of a partition. */
export function createEventTracker(policy: EventPolicy, beginning?: EventsSnapshot) {
  const { watchedDevices: maxDevices, acceptAfter } = policy;
  const clock = new PartitionClock(beginning?.clock, beginning?.firstKey, beginning?.shared);
  const budget = createEventBudget(policy.eventsPerMs, clock, beginning?.budget);
  const past = createPastEvents(budget.costs, beginning?.past);
  const silent =
    maxDevices === undefined
      ? undefined
      : createSilentDevices(
          { maxDevices, acceptAfter },
          budget.admit,
          (event, forgotten) => past.note(event, { modelVersion: event.modelVersion, mark: [], forgotten }),
          beginning?.silent,
        );
  const suspicions = new Suspicions(policy.silenceMs, beginning?.suspicions);
  const suppressed = new Suppressed(beginning?.suppressed);
  const frozen = createFrozenDevices((key) => suspicions.eventOf(key), budget.admit, beginning?.frozen);
  const intervalOf = (key: string) => silent?.intervalOf(key);
  const parts = { clock, budget, past, suspicions, suppressed, frozen, intervalOf };
  const devices = createDeviceEvents(policy, parts);
  const findLabels = createLabelFinder(budget.costs);

  /** Undoes the new normal of an event. */
  function undo({ keys, start, newNormal }: AcceptedEvent): LabelEffect {
    if (newNormal.forgotten !== undefined) {
      silent?.remember(newNormal.forgotten);
      return { events: none };
    }
    const [key] = keys;
    const suspicion = suspicions.get(key!);
    if (suspicion !== undefined) suspicion.accepted = undefined;
    return { events: none, undone: { key: key!, since: start, ...newNormal } };
  }

  return {
    /**
     * Call for each record before its detection, and for those without one.
     * @param rules undefined = silences are not assessed
     * @param links keeps the item of the device
     * @returns the events of silent devices that open or close
     */
    hear(
      key: string,
      timestamp: number,
      rules: SilenceRules | undefined,
      links?: DeviceLinks,
    ): readonly AnomalyEvent[] {
      if (silent === undefined) return none;
      clock.meet(key, timestamp);
      const events = silent.hear(key, timestamp, clock.now, rules, links);
      return events.length === 0 ? none : past.noteGroups(events);
    },
    /**
     * Call once per detection, in order within a key.
     * @param mark of the baseline of the device, to which it returns if the event is accepted and a label undoes that
     * @returns the events that this detection opens or closes, those of keys that have fallen silent included
     */
    observe(detection: Detection, bar = noBar, mark = noMark): readonly AnomalyEvent[] {
      clock.meet(detection.key, detection.timestamp);
      return devices.observe(detection, detection.anomalous ? detection : undefined, bar, mark);
    },
    /** As `observe`, for a record that is not anomalous. */
    pass(key: string, timestamp: number, missing?: readonly string[]): readonly AnomalyEvent[] {
      clock.meet(key, timestamp);
      // Fast path for the usual case.
      if (suspicions.size === 0 && suppressed.size === 0) return none;
      if (!suspicions.has(key) && !suppressed.has(key)) return devices.endSilent();
      return devices.observe({ key, timestamp, ...(missing && { missing }) }, undefined, noBar, noMark);
    },
    /**
     * Channels of the device have a new normal from the next record on: accepts an event that one of them leads.
     * @returns the event that is over by that
     */
    settle: (key: string, channels: readonly string[]): readonly AnomalyEvent[] =>
      devices.settle(key, channels),
    /** Events of anomalous records that are not over, in their present state, those held back included. */
    currentEvents: (): readonly AnomalyEvent[] => [...suspicions.own().map(snapshotOf), ...frozen.current()],
    /** The most surprising open events in their present state, at most `limit`. */
    openEvents(limit: number): readonly AnomalyEvent[] {
      const own = highest(devices.open.keys(), limit, bySurprise).map((event) =>
        snapshotOf(devices.open.get(event)!),
      );
      return highest([...own, ...frozen.openEvents(), ...(silent?.openEvents() ?? [])], limit, bySurprise);
    },
    /** Ends all events at the end of the input. */
    closeAll: (): AnomalyEvent[] => [...devices.closeAll(), ...(silent?.closeAll(clock.now) ?? [])],
    /** Number of open events. */
    get open() {
      return devices.open.size + frozen.open + (silent?.open ?? 0);
    },
    /** Anomalous records so far that opened no event because of `suppressForMs`. */
    get suppressedRecords() {
      return suppressed.records;
    },
    /** Divides the budget of the detector over this many partitions. */
    divideBudget: (partitions: number): void => budget.divide(partitions),
    /** The labels that have an effect now: each event obeys its last label, once. */
    labelled: (labels: readonly Label[]): EventLabel[] =>
      findLabels(labels, () =>
        labellable(suspicions.own(), [...(silent?.current() ?? []), ...frozen.current()], past.list()),
      ),
    /** Applies a label to its event. A label that was applied before has no effect. */
    label({ event: id, label }: EventLabel): LabelEffect {
      const { refunds, undoes, accepts } = meaningOf[label];
      if (refunds) budget.refund(id);
      const undone = undoes ? past.undo(id) : undefined;
      if (undone !== undefined) return undo(undone);
      if (!accepts) return { events: none };
      const { events, accepted } = devices.accept(id);
      return { events: [...events, ...past.noteGroups(silent?.accept(id, clock.now) ?? none)], accepted };
    },
    /** Spent share of the burst: 0 = nothing is spent, or there is no budget; from 1 on no event opens. */
    get budgetSpentRatio() {
      return budget.spentRatio;
    },
    /** JSON data, from which `createEventTracker` continues as without an interruption. It may contain infinite times. */
    snapshot(): EventsSnapshot {
      const spent = budget.snapshot();
      return {
        clock: clock.now,
        suspicions: suspicions.snapshot(),
        suppressed: [...suppressed],
        firstKey: clock.firstKey,
        shared: clock.shared,
        ...(spent && { budget: spent }),
        ...(silent && { silent: silent.snapshot() }),
        past: past.list(),
        frozen: frozen.snapshot(),
      };
    },
  };
}
