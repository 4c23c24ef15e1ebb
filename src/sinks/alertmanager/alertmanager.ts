/**
 * Sends open events as alerts to Alertmanager (API v2, `POST /api/v2/alerts`): an alert is sent when its event opens,
 * repeatedly while the event is open, and once more with its end. Each replica of an Alertmanager gets all alerts, as it
 * expects. An alert that is no longer sent expires after `expiryRepeats` repetitions, so a process that dies leaves no alert.
 */
import { maxKeyLabel, type AnomalyEvent } from '../../domain/anomaly-event';
import { toError } from '../../system/error-text';
import { baseUrl } from '../../system/http';
import { backOffMs, settledWithin } from '../../system/pause';
import { shorten } from '../../system/shorten';
import { closeGraceMs, maxPauseMs } from '../notification/delivery';
import {
  dashboardLink,
  describe,
  pageLink,
  summarize,
  type LinkSettings,
  runbookLink,
} from '../notification/describe';
import { RefusedError, send, type EndpointSettings } from '../notification/endpoint';
import type { EventSinkOptions } from '../notification/event-sink';
import { createBell, systemTiming } from '../notification/timing';
import type { Sink } from '../sink';
import { createAlerts, type Alert, type AlertState } from './alerts';

export interface AlertmanagerSettings extends EndpointSettings {
  /** Base URLs, one for each replica. */
  urls: readonly string[];
  repeatMs: number;
  minFiringMs: number;
  maxAlerts: number;
  /** Additional labels, `name=value`. */
  labels: readonly string[];
  links: LinkSettings;
}

export interface AlertmanagerOptions extends EventSinkOptions {
  settings: AlertmanagerSettings;
  /** Sends one request to the replica. */
  post?: (url: URL, body: string, signal: AbortSignal) => Promise<unknown>;
}

/** Maximum number of alerts in one request, as in Prometheus. */
const maxBatch = 64;
/** Number of failed repetitions after which an alert expires. */
const expiryRepeats = 4;
/** Interval at which the open events are read, ms. */
const pollMs = 5_000;

export function createAlertmanagerSink(options: AlertmanagerOptions): Sink {
  const { settings, counts } = options;
  const waiting = new Map<string, number>();
  const feeds = settings.urls.map((url) =>
    createFeed(url, {
      ...options,
      counts: {
        ...counts,
        queued(messages) {
          waiting.set(url, messages);
          counts.queued([...waiting.values()].reduce((sum, one) => sum + one, 0));
        },
      },
    }),
  );
  return {
    name: 'alertmanager',
    anomaliesOnly: true,
    notifies: true,
    write({ events }) {
      if (events.length > 0) for (const feed of feeds) feed.write(events);
      return Promise.resolve();
    },
    async close() {
      await Promise.all(feeds.map((feed) => feed.close()));
    },
  };
}

/** The alerts of one replica. */
function createFeed(base: string, options: AlertmanagerOptions) {
  const { settings, passes, openEvents, counts, log, timing = systemTiming } = options;
  const { post = (url: URL, body: string, signal: AbortSignal) => send(settings, { url, body, signal }) } =
    options;
  const url = new URL('api/v2/alerts', baseUrl(base));
  const labels = Object.fromEntries(settings.labels.map((label) => splitLabel(label)));
  const alerts = createAlerts(settings);
  const stopping = new AbortController();
  const bell = createBell(timing);
  let closing = false;
  /** A function, because the compiler would assume that the variable keeps its value across an await. */
  const isClosing = (): boolean => closing;

  async function run(): Promise<void> {
    let attempt = 0;
    while (!stopping.signal.aborted) {
      const succeeded = await sendDue();
      counts.queued(alerts.waiting);
      if (closing) return;
      if (succeeded) {
        attempt = 0;
        await bell.wait(Math.min(pollMs, settings.repeatMs));
      } else {
        // The pause is not shortened by a new event.
        await bell.pause(backOffMs(attempt++, Math.min(maxPauseMs, settings.repeatMs)), isClosing);
      }
    }
  }

  /** Sends all alerts that are due; false if a request failed. */
  async function sendDue(): Promise<boolean> {
    if (!closing) alerts.follow(openEvents(settings.maxAlerts), passes, timing.now());
    const due = alerts.due(timing.now());
    for (let i = 0; i < due.length; i += maxBatch) {
      if (!(await sendBatch(due.slice(i, i + maxBatch)))) return false;
    }
    return true;
  }

  async function sendBatch(batch: readonly [Alert, AlertState][]): Promise<boolean> {
    try {
      await post(url, JSON.stringify(batch.map(encode)), stopping.signal);
    } catch (error) {
      if (!(error instanceof RefusedError)) {
        counts.failed();
        log.warn('alerts not delivered: they are sent again', { err: toError(error) });
        return false;
      }
      // One invalid alert makes Alertmanager answer with 400 for all of them.
      if (batch.length > 1) {
        for (const one of batch) if (!(await sendBatch([one]))) return false;
        return true;
      }
      counts.refused(1);
      log.error('alert refused: it is not sent again', { err: toError(error) });
      for (const [alert] of batch) alerts.discard(alert);
      return true;
    }
    const now = timing.now();
    counts.delivered(batch.filter(([alert, state]) => alerts.sent(alert, state, now)).length);
    return true;
  }

  function encode([{ event, since }, state]: [Alert, AlertState]) {
    const now = timing.now();
    const dashboard = dashboardLink(settings.links, event);
    const page = pageLink(settings.links, event);
    const runbook = runbookLink(settings.links);
    const ends = state === 'resolved' ? now : now + expiryRepeats * settings.repeatMs;
    return {
      labels: {
        severity: 'warning',
        ...labels,
        alertname: 'VaemonAnomaly',
        detector: event.detector,
        key: shorten(event.key, maxKeyLabel),
        kind: event.kind,
      },
      annotations: {
        summary: summarize(event),
        description: describe(event),
        event_id: event.id,
        ...(page !== '' && { event_url: page }),
        ...(dashboard !== '' && { dashboard_url: dashboard }),
        ...(runbook !== '' && { runbook_url: runbook }),
      },
      startsAt: new Date(since).toISOString(),
      endsAt: new Date(ends).toISOString(),
      ...((page !== '' || dashboard !== '') && { generatorURL: page || dashboard }),
    };
  }

  const finished = run();

  return {
    write(events: readonly AnomalyEvent[]): void {
      const now = timing.now();
      let dropped = 0;
      for (const event of events)
        if (event.status !== 'held_back' && (alerts.has(event) || passes(event)))
          dropped += alerts.put(event, now);
      if (dropped > 0) {
        counts.dropped(dropped);
        log.warn('alerts dropped: too many events are open', { reason: `more than ${settings.maxAlerts}` });
      }
      bell.ring();
    },
    async close(): Promise<void> {
      closing = true;
      bell.ring();
      await settledWithin(finished, closeGraceMs);
      stopping.abort(new Error('vaemon stops'));
      await finished;
    },
  };
}

/** `name=value` */
export function splitLabel(label: string): [name: string, value: string] {
  const at = label.indexOf('=');
  return [label.slice(0, at), label.slice(at + 1)];
}
