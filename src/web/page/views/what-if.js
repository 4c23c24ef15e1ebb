/** What if: the alarms that another false-alarm target would have given over the minutes that are kept. */
import { get, path } from '../api.js';
import {
  descriptions,
  deviceLink,
  duration,
  eventLink,
  h,
  number,
  statusTag,
  summary,
  time,
} from '../dom.js';

/** Steps of the slider to each side: a factor of ten has ten. */
const steps = 20;
/** Pause after the slider has moved before the answer is asked for, ms. */
const pauseMs = 150;

export async function whatIfView({ place, parts, signal, report, setTitle }) {
  setTitle('What if');
  const { detectors } = await get('/detectors', signal);
  const running = detectors.filter(({ model }) => model !== undefined).map(({ name }) => name);
  const name = parts[0] ?? running[0];
  place.append(h('h1', {}, 'What if'));
  if (name === undefined) {
    place.append(h('p', { class: 'quiet' }, 'No detector has a model yet.'));
    return;
  }
  const ask = (target) =>
    get(
      `${path`/detectors/${name}/what-if`}${target === undefined ? '' : `?${new URLSearchParams({ target })}`}`,
      signal,
    );
  const current = await ask();
  const { events: kept } = await get(
    `/events?${new URLSearchParams({ detector: name, limit: '500' })}`,
    signal,
  );
  const known = new Map(kept.map((event) => [event.id, event]));

  const slider = h('input', {
    id: 'target',
    type: 'range',
    min: -steps,
    max: steps,
    value: 0,
    'aria-describedby': 'supposed',
  });
  const chosen = h('output', { for: 'target' });
  const shown = h('div', { id: 'supposed', role: 'status' });
  const lists = h('div');
  place.append(
    h(
      'p',
      { class: 'quiet' },
      `Move the slider to see which events another false-alarm target (calibration.falseAlarmTarget) would have opened over the last ${duration(current.to - current.from)}. Nothing is changed.`,
    ),
    ...(running.length > 1
      ? [
          h(
            'p',
            {},
            h(
              'label',
              {},
              'Detector ',
              h(
                'select',
                {
                  onchange: ({ target }) => (location.hash = `#/what-if/${encodeURIComponent(target.value)}`),
                },
                ...running.map((one) => h('option', { value: one, selected: one === name }, one)),
              ),
            ),
          ),
        ]
      : []),
    h(
      'div',
      { class: 'card slider' },
      h('label', { for: 'target' }, 'Target of ', name, ': ', chosen),
      slider,
      h(
        'p',
        { class: 'ends quiet', 'aria-hidden': 'true' },
        h('span', {}, 'fewer alarms'),
        h('span', {}, 'more alarms'),
      ),
      shown,
    ),
    lists,
  );

  function show(supposed) {
    const { events, total, missed, threshold } = supposed;
    const opened = events.filter(({ status }) => status !== 'held_back');
    const heldBack = total - opened.length;
    shown.replaceChildren(
      descriptions([
        [
          'Events',
          `${opened.length.toLocaleString('en')}${heldBack > 0 ? `, and ${heldBack} held back` : ''}`,
        ],
        ['That there were not', opened.filter(({ event }) => !isAlarm(event)).length.toLocaleString('en')],
        ['Missed', missed.length.toLocaleString('en')],
        ['Anomalous from', `surprise ${number(threshold)}`],
      ]),
    );
    lists.replaceChildren(
      h('h2', {}, 'Events that it would have opened'),
      events.length === 0 ? h('p', { class: 'quiet' }, 'None.') : supposedRows(events.toReversed()),
      ...(missed.length === 0 ? [] : [h('h2', {}, 'Events that it would have missed'), missedList(missed)]),
    );
  }

  /** Whether an event alarmed people. */
  const isAlarm = (id) => id !== undefined && known.get(id)?.status !== 'held_back';
  const nameOf = (id) => (known.has(id) ? summary(known.get(id)) : 'as it was');

  function supposedRows(events) {
    return h(
      'table',
      { class: 'list' },
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          ...['From', 'Device', 'What', 'Surprise', 'State'].map((text) =>
            h('th', { scope: 'col', class: text === 'Surprise' ? 'number' : undefined }, text),
          ),
        ),
      ),
      h(
        'tbody',
        {},
        ...events.map(({ key, start, status, peakSurprise, event }) =>
          h(
            'tr',
            { 'data-key': key },
            h('td', {}, time(start)),
            h('td', {}, h('a', { href: deviceLink(name, key) }, key)),
            h(
              'td',
              { class: 'wide' },
              event === undefined
                ? h('span', { class: 'quiet' }, 'there was none')
                : h('a', { href: eventLink(event) }, nameOf(event)),
            ),
            h('td', { class: 'number', title: 'surprise' }, number(peakSurprise)),
            h('td', {}, statusTag({ status, closedBy: 'quiet' })),
          ),
        ),
      ),
    );
  }

  function missedList(ids) {
    return h(
      'ul',
      {},
      ...ids.map((id) =>
        h('li', {}, h('a', { href: eventLink(id) }, `${known.get(id)?.key ?? id}: ${nameOf(id)}`)),
      ),
    );
  }

  const target = () => targetAt(current.configured, Number(slider.value));
  function showTarget() {
    chosen.value = `${target()}${slider.value === '0' ? ' (as configured)' : ''}`;
    slider.setAttribute('aria-valuetext', chosen.value);
  }
  let timer;
  slider.addEventListener('input', () => {
    showTarget();
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const wanted = target();
      try {
        const supposed = await ask(wanted);
        report();
        if (wanted === target()) show(supposed);
      } catch (error) {
        if (!signal.aborted) report(error);
      }
    }, pauseMs);
  });
  showTarget();
  show(current);
}

/** `5 per day` and 10 → `50 per day`; a ratio stays below one. */
function targetAt(configured, step) {
  const [amount, ...period] = configured.split(' ');
  const value = Number((Number(amount) * 10 ** (step / 10)).toPrecision(2));
  const text = (period.length === 0 ? Math.min(value, 0.5) : value).toLocaleString('en', {
    useGrouping: false,
    maximumFractionDigits: 12,
  });
  return step === 0 ? configured : [text, ...period].join(' ');
}
