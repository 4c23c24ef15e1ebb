/** The body of a webhook: a JSON document whose strings contain `{{field}}`. */
import { leadOf, type AnomalyEvent } from '../../domain/anomaly-event';
import { didYouMean, nearest } from '../../schema/suggest';
import { messageOf } from '../../system/error-text';
import { eventDocument } from '../event-document';
import {
  dashboardLink,
  describe,
  pageLink,
  runbookLink,
  summarize,
  type LinkSettings,
} from '../notification/describe';

type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

/** The fields by their name in a template. */
const fields = {
  id: ({ id }: AnomalyEvent) => id,
  status: ({ status }: AnomalyEvent) => status,
  kind: ({ kind }: AnomalyEvent) => kind,
  detector: ({ detector }: AnomalyEvent) => detector,
  key: ({ key }: AnomalyEvent) => key,
  devices: ({ keys }: AnomalyEvent) => keys?.length ?? 1,
  summary: summarize,
  description: describe,
  start: (event: AnomalyEvent) => eventDocument(event).start,
  end: (event: AnomalyEvent) => (event.status === 'open' ? null : eventDocument(event).end),
  closedBy: ({ closedBy }: AnomalyEvent) => closedBy ?? null,
  surprise: ({ peakSurprise }: AnomalyEvent) => peakSurprise,
  threshold: ({ threshold }: AnomalyEvent) => threshold,
  records: ({ anomalousRecords }: AnomalyEvent) => anomalousRecords,
  channel: (event: AnomalyEvent) => leadOf(event).channel,
  value: (event: AnomalyEvent) => leadOf(event).value,
  expected: (event: AnomalyEvent) => leadOf(event).expected,
  modelVersion: ({ modelVersion }: AnomalyEvent) => modelVersion,
  page: (event: AnomalyEvent, links: LinkSettings) => pageLink(links, event),
  dashboard: (event: AnomalyEvent, links: LinkSettings) => dashboardLink(links, event),
  runbook: (_: AnomalyEvent, links: LinkSettings) => runbookLink(links),
  event: eventDocument,
} satisfies Record<string, (event: AnomalyEvent, links: LinkSettings) => unknown>;

type Field = keyof typeof fields;

export const templateFields = Object.keys(fields) as readonly Field[];

export type Template = (event: AnomalyEvent, links: LinkSettings) => string;

const placeholder = /\{\{\s*([\w.]*)\s*\}\}/g;

/** The body without a template, in the form that Standard Webhooks recommends: { type, timestamp, data }. */
export const standardTemplate: Template = (event, links) =>
  JSON.stringify({
    type: `vaemon.event.${event.status}`,
    timestamp: event.status === 'open' ? eventDocument(event).openedAt : eventDocument(event).end,
    data: {
      ...eventDocument(event),
      summary: summarize(event),
      ...(links.page !== '' && { page: pageLink(links, event) }),
      ...(links.dashboard !== '' && { dashboard: dashboardLink(links, event) }),
      ...(runbookLink(links) !== '' && { runbook: runbookLink(links) }),
    },
  });

/**
 * A string that is exactly one placeholder becomes the value with its type; a placeholder within a longer string becomes text.
 * @throws Error if the text is not JSON, or contains the name of a field that does not exist
 */
export function parseTemplate(text: string, file: string): Template {
  let document: Json;
  try {
    document = JSON.parse(text) as Json;
  } catch (cause) {
    throw new Error(`${file} is not JSON: ${messageOf(cause)}`, { cause });
  }
  for (const [, name = ''] of text.matchAll(placeholder)) {
    if (!isField(name))
      throw new Error(
        `${file}: {{${name}}} is no field of an event${didYouMean(nearest(name, templateFields))}`,
      );
  }
  return (event, links) => JSON.stringify(fill(document, event, links));
}

const isField = (name: string): name is Field => Object.hasOwn(fields, name);

function fill(node: Json, event: AnomalyEvent, links: LinkSettings): unknown {
  if (typeof node === 'string') return fillText(node, event, links);
  if (Array.isArray(node)) return node.map((item) => fill(item, event, links));
  if (typeof node !== 'object' || node === null) return node;
  return Object.fromEntries(Object.entries(node).map(([name, item]) => [name, fill(item, event, links)]));
}

function fillText(text: string, event: AnomalyEvent, links: LinkSettings): unknown {
  const valueOf = (name: string): unknown => fields[name as Field](event, links);
  const whole = /^\{\{\s*([\w.]*)\s*\}\}$/.exec(text);
  if (whole !== null) return valueOf(whole[1]!);
  return text.replace(placeholder, (_, name: string) => {
    const value = valueOf(name);
    return typeof value === 'string' ? value : value === null ? '' : JSON.stringify(value);
  });
}
