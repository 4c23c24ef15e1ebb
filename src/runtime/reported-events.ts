/** The events of one detector for people: kept in the recent past, marked if muted, and counted while open. */
import type { DaemonSettings, DetectorSettings } from '../config/settings';
import type { Logger } from '../logger';
import type { DetectorMetrics } from '../metrics/metrics';
import type { PastEvent } from '../past/past-event';
import { openMutes } from '../past/mutes';
import { openPast } from '../past/past';
import type { Witness } from '../pipeline/decision';
import type { Sink } from '../sinks/sink';
import type { ConfiguredSource } from '../sources/configured';
import type { PartitionStates } from '../state/partitions';
import { Cleanup } from './cleanup';
import { closeEvents } from './partition-states';
import { Poll } from './poll';
import { unmutedEvents } from './unmuted-events';

export interface ReportedEventsOptions {
  /** Settings in force. */
  settings: () => Pick<DetectorSettings, 'detector' | 'events' | 'past'>;
  daemon: () => Pick<DaemonSettings, 'store' | 'metrics'>;
  source: Pick<ConfiguredSource, 'bounded' | 'replayRate'>;
  states: PartitionStates;
  sinks: readonly Sink[];
  metrics: DetectorMetrics;
  /** Called with each event that is reported or labelled. */
  onEvent: (past: PastEvent) => void;
  log: Logger;
}

export type ReportedEvents = Awaited<ReturnType<typeof openReportedEvents>>;

export async function openReportedEvents(options: ReportedEventsOptions) {
  const { settings, daemon, source, states, sinks, metrics, log } = options;
  const { detector, past: kept } = settings();
  const { path: directory, pollIntervalMs } = daemon().store;
  const cleanup = new Cleanup();
  const past = await openPast({
    directory,
    detector,
    settings: kept,
    events: {
      get openRecords() {
        return settings().events.openRecords;
      },
      get openWindow() {
        return settings().events.openWindow;
      },
    },
    // The events of a finite source end with it; the next start creates new ones.
    continues: !source.bounded,
    metrics: metrics.past,
    log,
  });
  past.subscribe(options.onEvent);
  cleanup.add('past', () => past.stop());
  /** If a recording is replayed faster than the wall clock, "now" is the time of the newest record. */
  const now = (): number => (source.replayRate === undefined ? Date.now() : past.newest());
  const reported = (id: string) => past.event(id)?.event;
  const mutes = await openMutes({ directory, detector, now, reported, log });
  const poll = new Poll(pollIntervalMs, async () => {
    await mutes.refresh();
    await past.refresh();
  });
  cleanup.add('events of other processes', () => poll.stop());

  const open = unmutedEvents((limit) => states.openEvents(limit), mutes);
  metrics.openEvents.from(() => {
    const most = daemon().metrics.openEvents;
    const listed = open(most);
    // A list with fewer events than the limit is complete.
    return { listed, others: listed.length < most ? 0 : states.open - listed.length };
  });
  cleanup.add('open events', () => metrics.openEvents.from(() => ({ listed: [], others: 0 })));

  const observers = sinks.filter(({ observe }) => observe !== undefined);
  const witness: Witness = {
    observe(...record) {
      past.observe(...record);
      for (const sink of observers) sink.observe?.(...record);
    },
    report(events, channels) {
      const marked = mutes.mark(events);
      past.report(marked, channels);
      return marked;
    },
  };

  /** Closes and reports the open events of a source that has no more records. */
  const closeAll = (): Promise<void> =>
    closeEvents({ closeEvents: () => [...mutes.mark(states.closeEvents())] }, [...sinks, past.sink], metrics);
  if (source.bounded)
    cleanup.add('events', () =>
      closeAll().catch((err: unknown) => log.warn('open events could not be closed', { err })),
    );

  return {
    past,
    mutes,
    /** Unix ms. */
    now,
    /** The most surprising open events that are not muted. */
    open,
    witness,
    closeAll,
    stop: () => cleanup.release(),
  };
}
