/** Every detector: whether it scores, how much it alarms, what it would find. */
import { get } from '../api.js';
import { cssPercent, descriptions, duration, h, number, percent, time } from '../dom.js';
import { eventRows } from './events.js';

export async function overviewView({ place, signal, every, listen, setTitle }) {
  setTitle('');
  const cards = h('div', { class: 'cards' });
  const events = h('div');
  const layout = h(
    'div',
    { class: 'overview' },
    cards,
    h('section', {}, h('h2', {}, 'Newest events'), events),
  );
  place.append(h('h1', {}, 'Detectors'), layout);

  async function refresh() {
    const [{ detectors }, { events: newest }] = await Promise.all([
      get('/detectors', signal),
      get('/events?limit=8', signal),
    ]);
    cards.replaceChildren(...detectors.map(card));
    layout.classList.toggle('beside', detectors.length <= 2);
    events.replaceChildren(
      newest.length === 0 ? h('p', { class: 'quiet' }, 'No events so far.') : eventRows(newest),
    );
  }
  await refresh();
  every(5000, refresh);
  let pending = false;
  listen(() => {
    if (pending) return;
    pending = true;
    setTimeout(() => {
      pending = false;
      if (!signal.aborted) refresh().catch(() => undefined);
    }, 300);
  });
}

function card({ name, ready, reason, model, budget, training, ...counts }) {
  const query = `detector=${encodeURIComponent(name)}`;
  // A first training is no fault.
  const state = ready ? 'good' : training ? 'warn' : 'bad';
  return h(
    'section',
    { class: 'card', 'aria-label': name },
    h(
      'h2',
      {},
      name,
      ' ',
      h('span', { class: `tag ${state}` }, ready ? 'scoring' : 'not ready'),
      ' ',
      training && h('span', { class: 'tag' }, 'training'),
    ),
    !ready && h('p', { class: state }, reason),
    descriptions([
      [
        'Records',
        counts.recordsPerSecond === undefined ? undefined : `${number(counts.recordsPerSecond)} per second`,
      ],
      ['Devices', counts.devices?.toLocaleString('en')],
      ['Processes', counts.processes?.length > 1 ? processes(counts.processes) : undefined],
      [
        'Open events',
        counts.openEvents === undefined
          ? undefined
          : h('a', { href: `#/events?${query}&status=open` }, counts.openEvents.toLocaleString('en')),
      ],
      ['Alarms today', budget && alarms(budget)],
      ['Finds', model && power(model.power)],
      ['Model', model && modelText(name, model)],
      ['Drift', model && drift(model.drift)],
    ]),
  );
}

/** Those that have died are named: nobody scores their partitions. */
function processes(all) {
  const gone = all.filter(({ stale }) => stale);
  return [
    `${all.length - gone.length} scoring`,
    gone.map(({ name, at }) => h('span', { class: 'bad' }, `, ${name} not since `, time(at))),
  ].flat();
}

function alarms({ openedToday, heldBackToday, eventsPerDay, spentRatio }) {
  const heldBack = heldBackToday > 0 ? `, ${heldBackToday} held back` : '';
  if (eventsPerDay === null) return `${openedToday}; no budget`;
  const spent = Math.min(1, spentRatio);
  const text = `${openedToday} (budget ${number(eventsPerDay)} a day, ${percent(spent)} spent)${heldBack}`;
  const bar = h('span', {});
  bar.style.width = cssPercent(spent);
  return [text, h('span', { class: spentRatio >= 1 ? 'meter spent' : 'meter', 'aria-hidden': 'true' }, bar)];
}

/** The mean over the kinds of faults, and the kinds. */
function power({ trained, live }) {
  const known = live ?? trained;
  if (known === undefined) return h('span', { class: 'quiet' }, 'not measured');
  const kinds = Object.entries(known.byKind);
  const mean = kinds.reduce((sum, [, share]) => sum + share, 0) / kinds.length;
  const each = kinds.map(([kind, share]) => `${kind} ${percent(share)}`).join(', ');
  const since = live === undefined ? 'at its training' : 'in live records';
  return h('span', { title: each }, `${percent(mean)} of test faults, ${since}`);
}

function modelText(name, { version, createdAt, coldStart, threshold }) {
  const age = duration(Date.now() - createdAt);
  return [
    h('a', { href: `#/versions/${encodeURIComponent(name)}`, title: version }, `${age} old`),
    ', ',
    h('a', { href: `#/what-if/${encodeURIComponent(name)}` }, `alarms from surprise ${number(threshold)}`),
    coldStart && h('span', { class: 'warn' }, ', cold start'),
  ];
}

function drift({ active, evidenceRatio }) {
  if (active) return h('span', { class: 'bad' }, 'records no longer match the calibration');
  return `none (${percent(evidenceRatio)} of the evidence for it)`;
}
