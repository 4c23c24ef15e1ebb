/** Routes of events: present and past anomalies, with the reasons. */
import type { PastEvent } from '../../../past/past-event';
import { bandOf } from '../../../past/recent-records';
import { describeRarity } from '../../../sinks/log';
import type { DetectorEntry, DetectorView } from '../detector-view';
import { ApiError, listOf, objectOf, ref, textOf, type ApiContext, type Route } from '../route';

/** Maximum number of events in an answer. */
const mostEvents = 500;

const time = { type: 'integer' };

export const eventRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/events',
    summary: 'Events of all detectors, the newest first: open, closed, and held back by the alarm budget',
    query: {
      detector: { type: 'string', description: 'Of this detector' },
      key: { type: 'string', description: 'Of this device' },
      search: { type: 'string', description: 'Of devices whose name contains this' },
      status: { type: 'string', enum: ['open', 'closed', 'held_back'] },
      kind: { type: 'string', enum: ['anomaly', 'silent'] },
      channel: {
        type: 'string',
        description: 'With this channel among the contributions or violated limits',
      },
      minSurprise: { type: 'number', description: 'With at least this peak surprise' },
      from: { ...time, description: 'That end at this event time or later, Unix ms' },
      to: { ...time, description: 'That start at this event time or earlier, Unix ms' },
      limit: { type: 'integer', minimum: 1, maximum: mostEvents, description: 'Most events; default 100' },
      after: { type: 'string', description: '`next` of the answer before: continues the list' },
    },
    answer: objectOf(
      {
        events: listOf(ref('Event')),
        next: textOf('Where the list continues, if it does'),
        total: { type: 'integer', description: 'Number of events that match' },
      },
      ['next'],
    ),
    handle({ params }, context) {
      const matching = allEvents(context)
        .filter((past) => matches(past, params))
        .sort(newestFirst);
      const { limit = 100, after } = params as { limit?: number; after?: string };
      const from = after === undefined ? 0 : 1 + matching.findIndex(({ event }) => event.id === after);
      if (after !== undefined && from === 0)
        throw new ApiError(
          404,
          'the event where the list continued no longer exists',
          'begin again without `after`',
        );
      const page = matching.slice(from, from + limit);
      const next = from + limit < matching.length ? page.at(-1)?.event.id : undefined;
      return {
        events: page.map((past) => describeOf(past, context)),
        total: matching.length,
        ...(next !== undefined && { next }),
      };
    },
  },
  {
    method: 'GET',
    path: '/events/{id}',
    summary:
      'One event whole: the records around it, what the model expected, the usual band, the contributions',
    answer: ref('WholeEvent'),
    async handle({ params }, context) {
      const { view, past } = findEvent(String(params['id']), context);
      const whole = await view.past.whole(past.event.id);
      if (whole === undefined) throw new ApiError(404, 'the event is no longer kept');
      const { channels, records } = whole;
      const heatMap = await whole.picture?.jpeg();
      return {
        ...describeOf(whole, context),
        rarity: describeRarity(whole.event.peakSurprise),
        channels,
        records,
        band: bandOf(records, whole.event.start),
        ...(heatMap !== undefined && { heatMap }),
      };
    },
  },
];

export function describeEvent({ event, reportedAt, updatedAt, label, revision }: PastEvent) {
  return { ...event, reportedAt, updatedAt, ...(label && { label }), revision };
}

/** Description of an event; `staleSince` is set if no process follows it. */
function describeOf(past: PastEvent, { detectors }: ApiContext) {
  const entry = detectors().find(({ name }) => name === past.event.detector);
  const staleSince = entry?.view?.staleSince(past);
  return { ...describeEvent(past), ...(staleSince !== undefined && { staleSince }) };
}

/** @throws ApiError if no running detector has the event */
export function findEvent(
  id: string,
  { detectors }: ApiContext,
): { entry: DetectorEntry; view: DetectorView; past: PastEvent } {
  for (const entry of detectors()) {
    const past = entry.view?.past.event(id);
    if (past !== undefined) return { entry, view: entry.view!, past };
  }
  throw new ApiError(404, `there is no event ${JSON.stringify(id)}`, 'only the newest are kept: past.events');
}

function allEvents({ detectors }: ApiContext): PastEvent[] {
  return detectors().flatMap(({ view }) => view?.past.events() ?? []);
}

function newestFirst(a: PastEvent, b: PastEvent): number {
  return b.event.openedAt - a.event.openedAt || (a.event.id < b.event.id ? -1 : 1);
}

function matches(
  { event }: PastEvent,
  wanted: Readonly<Record<string, string | number | undefined>>,
): boolean {
  const { search, channel, minSurprise = -Infinity, from = -Infinity, to = Infinity } = wanted;
  const isEqual = (['detector', 'key', 'status', 'kind'] as const).every(
    (name) =>
      wanted[name] === undefined ||
      wanted[name] === event[name] ||
      (name === 'key' && isOfKey(event, wanted[name])),
  );
  if (!isEqual || event.peakSurprise < Number(minSurprise)) return false;
  if (event.end < Number(from) || event.start > Number(to)) return false;
  const keys = event.keys ?? [event.key];
  if (search !== undefined && !keys.some((key) => key.toLowerCase().includes(String(search).toLowerCase())))
    return false;
  return (
    channel === undefined || [...event.contributions, ...event.limits].some((one) => one.channel === channel)
  );
}

function isOfKey(event: PastEvent['event'], key: string | number | undefined): boolean {
  return event.keys?.includes(String(key)) === true;
}
