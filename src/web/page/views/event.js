/** One event: what happened, how it differs from normal, and why. */
import { get, path } from '../api.js';
import { channelChart, legend, surpriseChart } from '../charts.js';
import {
  cssPercent,
  descriptions,
  deviceLink,
  duration,
  h,
  number,
  percent,
  statusTag,
  summary,
  time,
} from '../dom.js';
import { muteForm, mutesOf } from '../mutes.js';

/** Channels that are drawn at once. */
const mostCharts = 6;

export async function eventView(context) {
  const { place, parts, signal, listen, report, setTitle } = context;
  const [id] = parts;
  const shown = h('div');
  place.append(shown);

  async function refresh() {
    const [event, { mutes }] = await Promise.all([get(path`/events/${id}`, signal), get('/mutes', signal)]);
    setTitle(`${event.key}: ${summary(event)}`);
    shown.replaceChildren();
    draw(shown, event, mutes, context);
  }
  const first = refresh();
  // In turn: an older answer must not replace a newer one. The event may change while the first answer comes.
  let last = first;
  listen((event) => {
    if (event.id === id) last = last.then(refresh).catch(report);
  });
  await first;
}

function draw(shown, event, mutes, context) {
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
      event.staleSince !== undefined &&
        h(
          'span',
          { class: 'warn' },
          ', not followed since ',
          time(event.staleSince),
          ': its process has died',
        ),
    ),
    h('div', { class: 'split' }, charts, facts),
  );
  facts.append(
    h('section', { class: 'card' }, h('h2', {}, 'Facts'), describe(event)),
    judge(event, context),
    mute(event, mutes, context),
  );
  if (event.contributions.length > 0) facts.append(contributions(event));
  if (event.nearestNormal !== undefined) facts.append(nearestNormal(event));
  const areas = areasOf(event);
  if (areas.length > 0) charts.append(heatMap(areas, event.heatMap));

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

const labels = [
  ['anomaly', 'A fault'],
  ['normal', 'False alarm'],
  ['new normal', 'New normal'],
];

/** What a person found the event to be; trainings and the alarm budget follow it. */
function judge(event, { changing }) {
  const note = h('input', {
    'aria-label': 'Note',
    placeholder: 'Note',
    maxlength: 500,
    value: event.label?.note ?? '',
  });
  const button = ([label, text]) =>
    h(
      'button',
      {
        type: 'button',
        'aria-pressed': String(event.label?.label === label),
        onclick: changing('POST', path`/events/${event.id}/label`, () => ({
          label,
          note: note.value,
          revision: event.revision,
        })),
      },
      text,
    );
  return h(
    'section',
    { class: 'card' },
    h('h2', {}, 'What was it?'),
    h('p', { class: 'actions' }, labels.map(button)),
    note,
  );
}

function mute(event, mutes, { changing }) {
  const { detector, limits, contributions: ranked } = event;
  const keys = event.keys ?? [event.key];
  const channels = new Set([...limits, ...ranked].map(({ channel }) => channel));
  return h(
    'section',
    { class: 'card' },
    h('h2', {}, 'Mute'),
    h('p', { class: 'quiet' }, 'Events that open from now on are kept, but alarm nobody.'),
    ...mutesOf(mutes, detector, keys, changing),
    muteForm(
      {
        detectors: [detector],
        // All of those that are silent together, or one.
        keys: keys.length > 1 ? ['', ...keys] : keys,
        channels: ['', ...channels],
        note: `from the event ${event.id}`.slice(0, 500),
      },
      changing,
    ),
  );
}

function describe(event) {
  const isSilent = event.kind === 'silent';
  return descriptions([
    ['Detector', event.detector],
    ['Devices', isSilent ? event.keys.join(', ') : undefined],
    ['From', time(event.start)],
    [event.status === 'open' ? 'So far' : 'To', [time(event.end), ` (${duration(event.end - event.start)})`]],
    ['Records', isSilent ? undefined : `${event.anomalousRecords.toLocaleString('en')} anomalous`],
    ['Peak surprise', `${number(event.peakSurprise)} (threshold ${number(event.threshold)})`],
    ['Image', event.peakFile],
    ['Model', event.modelVersion],
  ]);
}

/** What the record would be if it were normal. */
function nearestNormal({ nearestNormal: { leftOut, latent, reconstruction } }) {
  const [first] = latent;
  return h(
    'section',
    { class: 'card' },
    h('h2', {}, 'Nearest normal record'),
    h(
      'p',
      {},
      'Its values are those expected above: the likeliest record',
      leftOut.length > 0
        ? ` given all channels but ${leftOut.join(', ')}, which do not fit the others.`
        : '.',
    ),
    descriptions([
      ['Distance', `${number(reconstruction)} nats`],
      [
        'In the code',
        first &&
          `dimension ${first.dimension} of level ${first.level}: ${number(first.value)}, normal ${number(first.expected)}`,
      ],
    ]),
  );
}

/** The odd areas of an image, in pixels of it, with their share of the largest contribution; none of other records. */
function areasOf({ contributions: all }) {
  const most = Math.max(...all.map(({ contribution }) => contribution), 1e-9);
  return all
    .filter(({ region }) => region !== undefined)
    .map(({ channel, region, contribution }) => ({
      channel,
      ...region,
      heat: Math.max(0, contribution / most),
    }));
}

/**
 * Where the image is odd: the image under its heat map, or, without one, the areas alone, whose extent stands for that of the image.
 * @param jpeg in base64
 */
function heatMap(areas, jpeg) {
  const label = `Odd areas of the image, the oddest first: ${areas.map(({ channel }) => channel).join('; ')}`;
  const card = (map) => h('section', { class: 'card' }, h('h2', {}, 'Where'), map);
  if (jpeg !== undefined) {
    const source = `data:image/jpeg;base64,${jpeg}`;
    return card(h('img', { class: 'heat-map', src: source, alt: label }));
  }
  const width = Math.max(...areas.map((area) => area.x + area.width));
  const height = Math.max(...areas.map((area) => area.y + area.height));
  const map = h('div', { class: 'heat', role: 'img', 'aria-label': label });
  map.style.aspectRatio = `${width} / ${height}`;
  for (const { channel, x, y, heat, ...size } of areas.toReversed()) {
    const area = h('span', { title: `${channel}: ${percent(heat)} of the oddest` });
    Object.assign(area.style, {
      left: cssPercent(x / width),
      top: cssPercent(y / height),
      width: cssPercent(size.width / width),
      height: cssPercent(size.height / height),
      opacity: 0.15 + 0.85 * heat,
    });
    map.append(area);
  }
  return card(map);
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
