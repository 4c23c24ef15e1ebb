/** One event: what happened, how it differs from normal, and why. */
import { get, path } from '../api.js';
import { channelChart, legend, surpriseChart } from '../charts.js';
import { descriptions, deviceLink, duration, h, number, statusTag, summary, time } from '../dom.js';

/** Channels that are drawn at once. */
const mostCharts = 6;

export async function eventView({ place, parts, signal, listen, report, setTitle }) {
  const [id] = parts;
  const shown = h('div');
  place.append(shown);

  async function refresh() {
    const event = await get(path`/events/${id}`, signal);
    setTitle(`${event.key}: ${summary(event)}`);
    shown.replaceChildren();
    draw(shown, event);
  }
  await refresh();
  listen((event) => {
    if (event.id === id) refresh().catch(report);
  });
}

function draw(shown, event) {
  const { records } = event;
  const charts = h('div');
  const facts = h('div');
  shown.append(
    h('h1', {}, h('a', { href: deviceLink(event.detector, event.key) }, event.key), `: ${summary(event)}`),
    h(
      'p',
      {},
      statusTag(event),
      ` ${event.rarity}`,
      event.muted && h('span', { class: 'quiet' }, ', muted: nobody was told'),
    ),
    h('div', { class: 'split' }, charts, facts),
  );
  facts.append(h('section', { class: 'card' }, h('h2', {}, 'Facts'), describe(event)));
  if (event.contributions.length > 0) facts.append(contributions(event));

  const interval = [event.start, event.end];
  if (records.timestamps.length === 0)
    charts.append(h('p', { class: 'card quiet' }, 'No records are kept around this event.'));
  else {
    charts.append(legend());
    // Those that reached the threshold by themselves; one at least.
    const drawn = event.contributions
      .filter(({ records: own }, i) => own > 0 || i === 0)
      .slice(0, mostCharts);
    for (const { channel, actual, expected } of drawn)
      channelChart(
        charts,
        event,
        channel,
        interval,
        `at its most unusual ${number(actual)}, expected ${number(expected)}`,
      );
    surpriseChart(charts, records, interval, `peak ${number(event.peakSurprise)}`);
    const others = event.channels.filter((channel) => !drawn.some((one) => one.channel === channel));
    if (others.length > 0) {
      const rest = h('div');
      const all = h(
        'details',
        {
          ontoggle: () => {
            if (all.open && rest.childElementCount === 0)
              for (const channel of others) channelChart(rest, event, channel, interval);
          },
        },
        h('summary', {}, `${others.length} more channels`),
        rest,
      );
      charts.append(all);
    }
  }
}

function describe(event) {
  const isSilent = event.kind === 'silent';
  return descriptions([
    ['Detector', event.detector],
    ['Devices', isSilent ? event.keys.join(', ') : undefined],
    ['From', time(event.start)],
    [event.status === 'open' ? 'So far' : 'To', [time(event.end), ` (${duration(event.end - event.start)})`]],
    ['Anomalous records', isSilent ? undefined : event.anomalousRecords.toLocaleString('en')],
    ['Peak surprise', `${number(event.peakSurprise)} (threshold ${number(event.threshold)})`],
    ['Misfits', event.nearestNormal?.leftOut.length > 0 ? event.nearestNormal.leftOut.join(', ') : undefined],
    ['Label', event.label && [event.label.verdict, event.label.note !== '' && `: ${event.label.note}`]],
    ['Model version', event.modelVersion],
  ]);
}

function contributions(event) {
  const most = Math.max(...event.contributions.map(({ contribution }) => contribution), 1e-9);
  return h(
    'section',
    { class: 'card' },
    h('h2', {}, 'Channels'),
    h(
      'table',
      {},
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          h('th', { scope: 'col' }, 'Channel'),
          h('th', { scope: 'col', class: 'number' }, 'Value'),
          h('th', { scope: 'col', class: 'number' }, 'Expected'),
        ),
      ),
      h(
        'tbody',
        {},
        ...event.contributions.map(({ channel, actual, expected, contribution, surprise }) => {
          const bar = h('span', {
            class: 'bar',
            title: `${number(contribution)} nats, surprise ${number(surprise)}`,
          });
          bar.style.width = `${Math.max(0, (100 * contribution) / most)}%`;
          return h(
            'tr',
            {},
            h('td', {}, channel, bar),
            h('td', { class: 'number' }, number(actual)),
            h('td', { class: 'number' }, number(expected)),
          );
        }),
      ),
    ),
  );
}
