/** Texts and links that describe an event to people. */
import { leadOf, maxKeyLabel, type AnomalyEvent } from '../../domain/anomaly-event';
import { url } from '../../schema/network-formats';
import type { Parsed, Section } from '../../schema/key';
import { shorten } from '../../system/shorten';
import { describeRarity, formatValue } from '../log';

export const linksSection = {
  page: url({
    doc: 'URL at which people reach the page of vaemon. Notifications link to the page of their event.',
    default: '',
    reloads: true,
  }),
  dashboard: url({
    doc: 'URL of a dashboard of one device. `var-detector` and `var-key` are added, as Grafana expects them.',
    default: '',
    reloads: true,
  }),
  runbook: url({
    doc: 'URL of the instructions for events (docs/runbooks.md). Empty: those that vaemon serves, if `page` is set.',
    default: '',
    reloads: true,
  }),
} satisfies Section;

export type LinkSettings = Parsed<typeof linksSection>;

/** Summary of an event, such as `pump-7: vib_mm_s 4.1, expected 1.8`. */
export function summarize(event: AnomalyEvent): string {
  const { key, kind, keys = [] } = event;
  if (kind === 'silent')
    return keys.length > 1 ? `${key}: silent, ${keys.length} devices in all` : `${key}: silent`;
  const { channel, value, expected } = leadOf(event);
  if (channel === '') return `${key}: anomalous`;
  const violated = event.limits.find((one) => one.channel === channel);
  if (violated !== undefined) {
    const { actual, bound, limit } = violated;
    const side = limit === 'max' ? 'above' : 'below';
    return `${key}: ${channel} ${formatValue(actual, bound)}, ${side} its limit of ${formatValue(bound, actual)}`;
  }
  const instead = Number.isNaN(expected) ? '' : `, expected ${formatValue(expected, value)}`;
  return `${key}: ${channel} ${formatValue(value, expected)}${instead}`;
}

/** A sentence or two: when it started, how rare it is, which other channels it has. */
export function describe(event: AnomalyEvent): string {
  const { detector, kind, start, peakSurprise, contributions, anomalousRecords } = event;
  const since = `since ${new Date(start).toISOString()}`;
  const rarity =
    event.limits.length > 0
      ? 'beyond a limit'
      : `surprise ${peakSurprise.toPrecision(3)}, ${describeRarity(peakSurprise)}`;
  if (kind === 'silent') return `Detector ${detector}: silent ${since}; ${rarity}.`;
  const others = contributions.slice(1).filter(({ records }) => records > 0);
  const also = others
    .slice(0, 3)
    .map(
      ({ channel, actual, expected }) =>
        `${channel} ${formatValue(actual, expected)} (expected ${formatValue(expected, actual)})`,
    );
  return (
    `Detector ${detector}: ${anomalousRecords.toLocaleString('en')} anomalous records ${since}; ${rarity}.` +
    (also.length === 0 ? '' : ` Also ${also.join(', ')}.`)
  );
}

/** Link to the event on vaemon's page; empty if its address is not configured. */
export function pageLink({ page }: LinkSettings, { id }: AnomalyEvent): string {
  return page === '' ? '' : `${page.replace(/\/$/, '')}/#/event/${encodeURIComponent(id)}`;
}

/** Link to the instructions for events; empty if neither a runbook nor vaemon's page is configured. */
export function runbookLink({ runbook, page }: LinkSettings): string {
  if (runbook !== '' || page === '') return runbook;
  return `${page.replace(/\/$/, '')}/runbooks#vaemonanomaly`;
}

/** Empty if no dashboard is configured. */
export function dashboardLink({ dashboard }: LinkSettings, { detector, key }: AnomalyEvent): string {
  if (dashboard === '') return '';
  const link = new URL(dashboard);
  link.searchParams.set('var-detector', detector);
  link.searchParams.set('var-key', shorten(key, maxKeyLabel));
  return link.href;
}
