/** Events, the newest first; new ones appear as they happen. */
import { get } from '../api.js';
import { deviceLink, eventLink, h, number, statusTag, summary, time } from '../dom.js';

const names = ['detector', 'status', 'kind', 'search', 'channel', 'minSurprise'];

const labels = { anomaly: 'a fault', normal: 'false alarm', 'new normal': 'new normal' };

function row(event, isNew = false) {
  return h(
    'tr',
    { 'data-id': event.id, class: isNew ? 'new' : undefined },
    h('td', {}, time(event.openedAt)),
    h(
      'td',
      {},
      h('a', { href: deviceLink(event.detector, event.key) }, event.key),
      h('span', { class: 'quiet' }, ` ${event.detector}`),
    ),
    h('td', { class: 'wide' }, h('a', { href: eventLink(event.id) }, summary(event))),
    h('td', { class: 'number', title: 'surprise' }, number(event.peakSurprise)),
    h('td', {}, statusTag(event), event.muted && ' muted', event.label && ` ${labels[event.label.label]}`),
  );
}

export function eventRows(events) {
  return h(
    'table',
    { class: 'list' },
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        h('th', { scope: 'col' }, 'Opened'),
        h('th', { scope: 'col' }, 'Device'),
        h('th', { scope: 'col' }, 'What'),
        h('th', { scope: 'col', class: 'number' }, 'Surprise'),
        h('th', { scope: 'col' }, 'State'),
      ),
    ),
    h('tbody', {}, ...events.map((event) => row(event))),
  );
}

export async function eventsView({ place, query, signal, listen, report, setTitle }) {
  setTitle('Events');
  const { detectors } = await get('/detectors', signal);
  const apply = () => {
    const wanted = new URLSearchParams();
    for (const name of names) {
      const { value } = filters.elements[name];
      if (value !== '') wanted.set(name, value);
    }
    location.hash = `#/events?${wanted}`;
  };
  const select = (name, label, options) =>
    h(
      'label',
      {},
      label,
      h(
        'select',
        { name, onchange: apply },
        h('option', { value: '' }, 'all'),
        ...options.map(([value, text]) => h('option', { value, selected: query.get(name) === value }, text)),
      ),
    );
  const field = (name, label, more = {}) =>
    h(
      'label',
      {},
      label,
      h('input', { name, value: query.get(name) ?? '', size: 12, ...more, onchange: apply }),
    );
  const filters = h(
    'form',
    {
      class: 'filters',
      onsubmit: (submit) => {
        submit.preventDefault();
        apply();
      },
    },
    select(
      'detector',
      'Detector',
      detectors.map(({ name }) => [name, name]),
    ),
    select('status', 'State', [
      ['open', 'open'],
      ['closed', 'closed'],
      ['held_back', 'held back'],
    ]),
    select('kind', 'Kind', [
      ['anomaly', 'anomaly'],
      ['silent', 'silent'],
    ]),
    field('search', 'Device contains'),
    field('channel', 'Channel'),
    field('minSurprise', 'Surprise from', { inputmode: 'decimal', size: 5 }),
  );
  const count = h('p', { class: 'quiet', role: 'status' });
  const list = h('div');
  const more = h('button', { type: 'button', onclick: () => void loadMore().catch(report) }, 'More');
  place.append(h('h1', {}, 'Events'), filters, count, list, more);

  const wanted = new URLSearchParams([...query].filter(([name]) => names.includes(name)));
  let next;
  let total = 0;
  function showTotal() {
    const events = total === 1 ? 'event' : 'events';
    const none = wanted.size === 0 ? 'No events so far.' : 'No events match.';
    count.textContent = total === 0 ? none : `${total.toLocaleString('en')} ${events}`;
    list.hidden = total === 0;
  }
  async function load(after) {
    const all = new URLSearchParams(wanted);
    if (after !== undefined) all.set('after', after);
    const answer = await get(`/events?${all}`, signal);
    next = answer.next;
    more.hidden = next === undefined;
    total = answer.total;
    showTotal();
    return answer.events;
  }
  async function loadMore() {
    const events = await load(next);
    list.querySelector('tbody').append(...events.map((event) => row(event)));
  }
  function update(event) {
    const body = list.querySelector('tbody');
    const shown = [...body.rows].find((one) => one.dataset.id === event.id);
    if (shown !== undefined && matches(event, wanted)) shown.replaceWith(row(event));
    else if (shown !== undefined) {
      shown.remove();
      total--;
    } else if (matches(event, wanted)) {
      body.prepend(row(event, true));
      total++;
    }
    showTotal();
  }

  // An event may happen while the answer comes.
  const early = [];
  listen((event) => early.push(event));
  list.replaceChildren(eventRows(await load()));
  early.forEach(update);
  listen(update);
}

/** As the API filters. */
function matches(event, wanted) {
  const given = (name) => wanted.get(name) ?? '';
  for (const name of ['detector', 'status', 'kind'])
    if (given(name) !== '' && given(name) !== event[name]) return false;
  const keys = event.keys ?? [event.key];
  if (!keys.some((key) => key.toLowerCase().includes(given('search').toLowerCase()))) return false;
  if (event.peakSurprise < Number(given('minSurprise') || -Infinity)) return false;
  const leading = [...event.contributions, ...event.limits];
  return given('channel') === '' || leading.some(({ channel }) => channel === given('channel'));
}
