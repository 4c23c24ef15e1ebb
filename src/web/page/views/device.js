/** A device: its scores over the last hours, its newest records, its events. */
import { get, path } from '../api.js';
import { channelChart, legend, surpriseChart } from '../charts.js';
import { h } from '../dom.js';
import { muteForm, mutesOf } from '../mutes.js';
import { eventRows } from './events.js';

/** Channels that are drawn at once. */
const mostCharts = 8;

export async function deviceView({ place, parts, signal, report, listen, changing, setTitle }) {
  const [detector, key] = parts;
  setTitle(key);
  const scores = h('div');
  const records = h('div');
  const events = h('div');
  const muting = h('div');
  place.append(
    h('h1', {}, key, h('span', { class: 'quiet' }, ` ${detector}`)),
    muting,
    scores,
    events,
    records,
  );

  async function showEvents() {
    const { events: all } = await get(
      `/events?${new URLSearchParams({ detector, key, limit: '20' })}`,
      signal,
    );
    events.replaceChildren(
      h('h2', {}, 'Events'),
      all.length === 0 ? h('p', { class: 'quiet' }, 'No events so far.') : eventRows(all),
    );
  }
  listen((event) => {
    if (event.detector === detector && (event.keys ?? [event.key]).includes(key)) showEvents().catch(report);
  });
  await showEvents();

  const [device, { mutes }] = await Promise.all([
    get(path`/detectors/${detector}/devices/${key}`, signal).catch((error) => {
      if (error.status !== 404) throw error;
      return undefined;
    }),
    get('/mutes', signal),
  ]);
  muting.append(
    ...mutesOf(mutes, detector, [key], changing),
    h(
      'details',
      {},
      h('summary', {}, 'Mute'),
      muteForm(
        {
          detectors: [detector],
          keys: [key],
          // Another process may have them.
          channels: device?.channels.length > 0 ? ['', ...device.channels] : undefined,
        },
        changing,
      ),
    ),
  );
  scores.append(h('h2', {}, 'Scores'));
  if (device === undefined) {
    scores.append(
      h(
        'p',
        { class: 'quiet' },
        'No scores are kept of this device: it sent nothing yet, or there are more than past.devices.',
      ),
    );
    return;
  }
  const { minutes, channels } = device;
  const column = (name) => minutes.map((minute) => minute[name]);
  surpriseChart(
    scores,
    { timestamps: column('at'), surprise: column('surprise'), threshold: column('threshold') },
    undefined,
    'the most surprising record of each minute',
  );
  records.append(
    h('h2', {}, 'Newest records'),
    channels.length > 0
      ? legend()
      : h(
          'p',
          { class: 'quiet' },
          'The process that has the partition of this device keeps them, since its start.',
        ),
  );
  for (const channel of channels.slice(0, mostCharts)) channelChart(records, device, channel);
  if (channels.length > mostCharts)
    records.append(
      h(
        'details',
        {
          ontoggle: ({ target }) => {
            if (target.open && target.childElementCount === 1)
              for (const channel of channels.slice(mostCharts)) channelChart(target, device, channel);
          },
        },
        h('summary', {}, `${channels.length - mostCharts} more channels`),
      ),
    );
}
