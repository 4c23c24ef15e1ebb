/** The mutes, what ends them, and the form that adds one. */
import { get } from '../api.js';
import { deviceLink, h } from '../dom.js';
import { muteForm, removeButton, stateOf, timesOf } from '../mutes.js';

export async function mutesView({ place, signal, changing, setTitle }) {
  setTitle('Mutes');
  const [{ mutes }, { detectors }] = await Promise.all([get('/mutes', signal), get('/detectors', signal)]);
  // Of those that run.
  const running = detectors.filter(({ devices }) => devices !== undefined).map(({ name }) => name);
  place.append(
    h('h1', {}, 'Mutes'),
    h(
      'p',
      { class: 'quiet' },
      'Events that open while a mute is in force are kept and shown, but alarm nobody.',
    ),
    mutes.length === 0 ? h('p', {}, 'Nothing is muted.') : list(mutes, changing),
  );
  if (running.length > 0)
    place.append(
      h('section', { class: 'card' }, h('h2', {}, 'Add a mute'), muteForm({ detectors: running }, changing)),
    );
}

function list(mutes, changing) {
  return h(
    'table',
    { class: 'list' },
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        ...['Device', 'Channel', 'When', 'State', 'Note', ''].map((text) => h('th', { scope: 'col' }, text)),
      ),
    ),
    h('tbody', {}, ...mutes.map((mute) => row(mute, changing))),
  );
}

function row(mute, changing) {
  const { detector, key, channel, note } = mute;
  return h(
    'tr',
    {},
    h(
      'td',
      {},
      key === '' ? 'all devices' : h('a', { href: deviceLink(detector, key) }, key),
      h('span', { class: 'quiet' }, ` ${detector}`),
    ),
    h('td', {}, channel === '' ? 'all channels' : channel),
    h('td', { class: 'wide' }, ...timesOf(mute)),
    h('td', {}, stateOf(mute)),
    h('td', { class: 'wide' }, note),
    h('td', {}, removeButton(mute, changing)),
  );
}
