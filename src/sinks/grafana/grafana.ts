/**
 * Writes events as annotations of Grafana (HTTP API, `/api/annotations`): a point when an event opens, which becomes a region
 * when it ends. Each annotation has a tag with a hash of the event, by which it is found after a restart, so that none is
 * written twice.
 */
import { createHash } from 'node:crypto';
import type { AnomalyEvent } from '../../domain/event';
import { baseUrl } from '../../system/http';
import { isObject } from '../../system/json';
import { readSecret } from '../../system/secret';
import { shorten } from '../../system/shorten';
import { dashboardLink, describe, pageLink, summarize, type LinkSettings } from '../notification/describe';
import { send, type EndpointRequest, type EndpointSettings } from '../notification/endpoint';
import { createEventSink, type EventSinkOptions } from '../notification/event-sink';
import type { Sink } from '../sink';

export interface GrafanaSettings extends EndpointSettings {
  /** Base URL. */
  url: string;
  /** File with a token of a service account. */
  tokenFile: string;
  /** Empty = annotations of the organisation, which any dashboard can show by their tags. */
  dashboardUid: string;
  tags: readonly string[];
  maxQueued: number;
  links: LinkSettings;
}

export interface GrafanaOptions extends EventSinkOptions {
  settings: GrafanaSettings;
}

/** Longest tag that Grafana stores, characters. */
const maxTagLength = 100;

export function createGrafanaSink(options: GrafanaOptions): Sink {
  const { settings } = options;

  async function call(path: string, request: Omit<EndpointRequest, 'url'>): Promise<unknown> {
    const { tokenFile } = settings;
    const base = baseUrl(settings.url);
    const headers = {
      accept: 'application/json',
      ...(tokenFile !== '' && { authorization: `Bearer ${readSecret('', tokenFile)}` }),
    };
    const answer = await send(settings, { ...request, url: new URL(path, base), headers });
    try {
      return JSON.parse(answer) as unknown;
    } catch {
      // A proxy may answer with an HTML page.
      throw new Error(`${new URL(base).host} does not answer with JSON: check sinks.grafana.url`);
    }
  }

  /** Id of the annotation that has this tag. */
  async function find(tag: string, signal: AbortSignal): Promise<number | undefined> {
    const found = await call(`api/annotations?tags=${encodeURIComponent(tag)}&limit=1`, { signal });
    const [first] = Array.isArray(found) ? (found as unknown[]) : [];
    return isObject(first) && typeof first['id'] === 'number' ? first['id'] : undefined;
  }

  async function annotate(event: AnomalyEvent, signal: AbortSignal): Promise<void> {
    const { tags, links, dashboardUid } = settings;
    const own = `vaemon-event:${createHash('sha256').update(event.id).digest('hex').slice(0, 16)}`;
    const lines = [summarize(event), describe(event), pageLink(links, event), dashboardLink(links, event)];
    const annotation = {
      time: event.start,
      ...(event.status === 'closed' && { timeEnd: event.end }),
      text: lines.filter((line) => line !== '').join('\n'),
      tags: [
        ...tags,
        `detector:${event.detector}`,
        shorten(`key:${event.key}`, maxTagLength),
        `kind:${event.kind}`,
        own,
      ],
    };
    const known = await find(own, signal);
    if (known === undefined) {
      const body = JSON.stringify({
        ...(dashboardUid !== '' && { dashboardUID: dashboardUid }),
        ...annotation,
      });
      await call('api/annotations', { body, signal });
    } else if (event.status === 'closed')
      await call(`api/annotations/${known}`, { method: 'PATCH', body: JSON.stringify(annotation), signal });
  }

  return createEventSink('grafana', settings.maxQueued, options, annotate);
}
