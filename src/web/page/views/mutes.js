/** The mutes, and what ends them. */
import { get, path } from '../api.js';
import { deviceLink, h, time } from '../dom.js';

export async function mutesView({ place, signal, changing, setTitle }) {
  setTitle('Mutes');
  const { mutes } = await get('/mutes', signal);
  place.append(h('h1', {}, 'Mutes'));
  place.append(
    h(
      'p',
      { class: 'quiet' },
      `${mutes.length === 0 ? 'Nothing is muted. ' : ''}The page of an event mutes its device; `,
      h('code', {}, 'vaemon mute --cron'),
      ' adds windows that recur, as for maintenance.',
    ),
  );
  if (mutes.length === 0) return;
  place.append(
    h(
      'table',
      { class: 'list' },
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          ...['Detector', 'Device', 'Channel', 'Until', 'Note', ''].map((text) =>
            h('th', { scope: 'col' }, text),
          ),
        ),
      ),
      h(
        'tbody',
        {},
        ...mutes.map(({ detector, id, key, channel, until, recurring, note, inForce }) =>
          h(
            'tr',
            {},
            h('td', {}, detector),
            h('td', {}, key === '' ? 'all' : h('a', { href: deviceLink(detector, key) }, key)),
            h('td', {}, channel === '' ? 'all' : channel),
            h(
              'td',
              {},
              until === null ? 'never ends' : time(until),
              recurring &&
                ` (cron ${recurring.cron}, ${recurring.timeZone}, ${recurring.forMs / 60_000} min)`,
              !inForce && h('span', { class: 'quiet' }, ' not in force'),
            ),
            h('td', { class: 'wide' }, note),
            h(
              'td',
              {},
              h(
                'button',
                {
                  type: 'button',
                  'aria-label': `Remove the mute of ${key === '' ? 'all devices' : key}`,
                  onclick: changing('DELETE', path`/detectors/${detector}/mutes/${id}`),
                },
                'Remove',
              ),
            ),
          ),
        ),
      ),
    ),
  );
}
