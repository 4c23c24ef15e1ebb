/** The devices of the detectors, by name. */
import { get, path } from '../api.js';
import { deviceLink, h, time } from '../dom.js';

export async function devicesView({ place, query, signal, setTitle }) {
  setTitle('Devices');
  const { detectors } = await get('/detectors', signal);
  const search = query.get('search') ?? '';
  const input = h('input', { name: 'search', value: search, type: 'search' });
  place.append(
    h('h1', {}, 'Devices'),
    h(
      'form',
      {
        class: 'filters',
        role: 'search',
        onsubmit: (submit) => {
          submit.preventDefault();
          location.hash = `#/devices?${new URLSearchParams({ search: input.value })}`;
        },
      },
      h('label', {}, 'Name contains', input),
      h('button', { type: 'submit' }, 'Search'),
    ),
  );
  // Of those that run.
  for (const { name } of detectors.filter(({ devices }) => devices !== undefined)) {
    const answer = await get(
      `${path`/detectors/${name}/devices`}?${new URLSearchParams({ search })}`,
      signal,
    );
    const { devices, total } = answer;
    place.append(h('h2', {}, `${name}: ${total.toLocaleString('en')} ${total === 1 ? 'device' : 'devices'}`));
    if (total === 0) continue;
    place.append(
      h(
        'table',
        {},
        h(
          'thead',
          {},
          h('tr', {}, h('th', { scope: 'col' }, 'Device'), h('th', { scope: 'col' }, 'Newest record')),
        ),
        h(
          'tbody',
          {},
          ...devices.map(({ key, newest }) =>
            h('tr', {}, h('td', {}, h('a', { href: deviceLink(name, key) }, key)), h('td', {}, time(newest))),
          ),
        ),
      ),
    );
    if (total > devices.length)
      place.append(h('p', { class: 'quiet' }, `The ${devices.length} that sent last; search for others.`));
  }
}
