/** Metrics of single open events. Only these have keys of records as labels, so the caller must bound their number. */
import { leadOf, maxKeyLabel, type AnomalyEvent } from '../domain/anomaly-event';
import { shorten } from '../system/shorten';
import { combined, counter, gauge, listedGauge } from './recorder';

/** Maximum number of events that were in a scrape and are not known to be over; the oldest are dropped first. */
const maxScraped = 10_000;

const labels = [
  {
    name: 'key',
    meaning: `Key of the device, or of the first of a group; cut after ${maxKeyLabel} characters.`,
  },
  { name: 'channel', meaning: 'Channel that led most of the records so far; empty for silent devices.' },
  { name: 'kind', meaning: '`anomaly`, `silent`' },
] as const;

type Lead = ReturnType<typeof leadOf>;

/** Open events that are not muted. */
export interface OpenEvents {
  /** Events with a series, the most surprising first. */
  listed: readonly AnomalyEvent[];
  /** Number of other open events. */
  others: number;
}

export const openEventMetrics = {
  openEvents: combined(
    {
      surprise: listedGauge(
        'vaemon_event_open',
        'Peak surprise of an open event. The most surprising open events have a series each (metrics.openEvents).',
        labels,
      ),
      value: listedGauge(
        'vaemon_event_value',
        'Value of the leading channel of an open event at its most unusual record; that beyond a limit comes first.',
        labels,
      ),
      expected: listedGauge(
        'vaemon_event_expected',
        'Value that the model expected instead of `vaemon_event_value`.',
        labels,
      ),
      devices: listedGauge(
        'vaemon_event_devices',
        'Devices of an open event that fell silent together, or one.',
        labels,
      ),
      others: gauge(
        'vaemon_events_open_unlisted',
        'Open events without a series of their own, as more are open than metrics.openEvents; muted ones may be among them.',
        0,
      ),
      unlisted: counter(
        'vaemon_events_unlisted_total',
        'Events that opened and ended without having been in a scrape: too short, or less surprising than the others.',
      ),
    },
    ({ surprise, value, expected, devices, others, unlisted }, { detector, onScrape }) => {
      let find = (): OpenEvents => ({ listed: [], others: 0 });
      const scraped = new Set<string>();

      /** If two events of a device would have the same labels, the more surprising one, which comes first, gets the series. */
      function list(events: readonly AnomalyEvent[]) {
        const listed = new Map<string, { labels: Record<string, string>; event: AnomalyEvent; lead: Lead }>();
        for (const event of events) {
          const lead = leadOf(event);
          const labels = {
            detector,
            key: shorten(event.key, maxKeyLabel),
            channel: lead.channel,
            kind: event.kind,
          };
          const id = JSON.stringify(labels);
          scraped.add(event.id);
          if (!listed.has(id)) listed.set(id, { labels, event, lead });
        }
        return [...listed.values()];
      }

      onScrape(() => {
        const open = find();
        const listed = list(open.listed);
        others(open.others);
        const samples = (of: (one: (typeof listed)[number]) => number) =>
          listed
            .map((one) => ({ labels: one.labels, value: of(one) }))
            .filter(({ value: number }) => !Number.isNaN(number));
        surprise(samples(({ event }) => event.peakSurprise));
        value(samples(({ lead }) => lead.value));
        expected(samples(({ lead }) => lead.expected));
        devices(samples(({ event }) => event.keys?.length ?? 1));
        for (const id of scraped) {
          if (scraped.size <= maxScraped) break;
          scraped.delete(id);
        }
      });
      return {
        /** @param open called at each scrape */
        from(open: () => OpenEvents) {
          find = open;
        },
        ended(events: readonly AnomalyEvent[]) {
          for (const { id, status, muted } of events)
            if (status === 'closed' && !scraped.delete(id) && muted !== true) unlisted();
        },
      };
    },
  ),
};
