/** Mutes: what they concern, when they are in force, and the form that adds one. */
import { path } from './api.js';
import { duration, h, time } from './dom.js';

const hour = 3_600_000;
const weekdays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** A length from now on, ms; `once`; or the days of a cron pattern, where `week` stands for the day that is chosen. */
const times = [
  [String(hour), 'for an hour'],
  [String(8 * hour), 'for eight hours'],
  [String(24 * hour), 'for a day'],
  [String(7 * 24 * hour), 'for a week'],
  ['once', 'on a day …'],
  ['*', 'every day …'],
  ['1-5', 'Monday to Friday …'],
  ['week', 'every week …'],
];

const two = (value) => String(value).padStart(2, '0');

/** What it concerns, for people. */
export function concernOf({ key, channel }) {
  return `${key === '' ? 'all devices' : key}${channel === '' ? '' : `, ${channel}`}`;
}

/** `Sundays 02:00–04:00 (Europe/Berlin)`; other patterns as they are. */
function windowsOf({ cron, forMs, timeZone }) {
  const [, minute, at, day] = /^(\d+) (\d+) \* \* (\*|1-5|[0-6])$/.exec(cron) ?? [];
  if (day === undefined) return `cron ${cron}, for ${duration(forMs)} (${timeZone})`;
  const days = day === '*' ? 'daily' : day === '1-5' ? 'Monday to Friday' : `${weekdays[day]}s`;
  const end = Number(at) * 60 + Number(minute) + forMs / 60_000;
  const length =
    forMs < 24 * hour
      ? `${two(at)}:${two(minute)}–${two(Math.floor(end / 60) % 24)}:${two(end % 60)}`
      : `from ${two(at)}:${two(minute)} for ${duration(forMs)}`;
  return `${days} ${length} (${timeZone})`;
}

/** When it is in force. */
export function timesOf({ from, until, recurring, next }) {
  const end = until === null ? [] : [recurring ? ', until ' : 'until ', time(until)];
  if (recurring !== undefined) return [windowsOf(recurring), ...end];
  return next === undefined ? end : ['from ', time(from), ' ', ...end];
}

export function stateOf({ inForce, next }) {
  if (inForce) return h('span', { class: 'tag warn' }, 'in force');
  return h('span', { class: 'quiet' }, ...(next === undefined ? ['over'] : ['next ', time(next)]));
}

/** @param changing of the context of a view */
export function removeButton(mute, changing) {
  const { detector, id } = mute;
  return h(
    'button',
    {
      type: 'button',
      'aria-label': `Remove the mute of ${concernOf(mute)}`,
      onclick: changing('DELETE', path`/detectors/${detector}/mutes/${id}`),
    },
    'Remove',
  );
}

/** The mutes of some devices that are in force, or will be. */
export function mutesOf(mutes, detector, keys, changing) {
  return mutes
    .filter(
      (mute) =>
        (mute.inForce || mute.next !== undefined) &&
        mute.detector === detector &&
        (mute.key === '' || keys.includes(mute.key)),
    )
    .map((mute) =>
      h(
        'p',
        { class: 'mute' },
        h('strong', {}, concernOf(mute)),
        ' ',
        ...timesOf(mute),
        ' ',
        stateOf(mute),
        ' ',
        removeButton(mute, changing),
      ),
    );
}

const labelled = (text, control) => h('label', {}, text, control);
const select = (options) => h('select', {}, ...options.map(([value, text]) => h('option', { value }, text)));

/** A field for one of some values, for any, or none where only one is possible. Empty stands for all. */
function choice(text, values) {
  if (values === undefined) {
    const input = h('input', { placeholder: 'all', maxlength: 1000, size: 14, autocomplete: 'off' });
    return { fields: [labelled(text, input)], value: () => input.value.trim() };
  }
  const field = select(values.map((value) => [value, value === '' ? 'all' : value]));
  return { fields: values.length > 1 ? [labelled(text, field)] : [], value: () => field.value };
}

/**
 * The form that adds a mute. Of detectors, keys and channels there is a field if there is a choice; undefined = any.
 * @param changing of the context of a view
 */
export function muteForm({ detectors, keys, channels, note = '' }, changing) {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const now = new Date();
  const today = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
  const detector = choice('Detector', detectors);
  const key = choice('Device', keys);
  const channel = choice('Channel', channels);
  const when = select(times);
  const date = h('input', { type: 'date', required: true, value: today });
  const weekday = select(weekdays.map((name, i) => [String(i), name]));
  weekday.value = String(now.getDay());
  const at = h('input', { type: 'time', required: true, value: '02:00' });
  const hours = h('input', { type: 'number', required: true, min: 0.25, max: 168, step: 0.25, value: 2 });
  const last = h('input', { type: 'date', min: today });
  const why = h('input', { maxlength: 500, value: note });
  const isOnce = () => when.value === 'once';
  const isLength = () => Number(when.value) > 0;
  const optional = [
    [labelled('Date', date), isOnce],
    [labelled('Day', weekday), () => when.value === 'week'],
    [labelled(`From (${timeZone})`, at), () => !isLength()],
    [labelled('Hours', hours), () => !isLength()],
    [labelled('Last day, if any', last), () => !isLength() && !isOnce()],
  ];
  function showFields() {
    for (const [label, isShown] of optional) {
      label.hidden = !isShown();
      // A hidden field is not checked.
      label.control.disabled = label.hidden;
    }
  }
  when.addEventListener('change', showFields);
  showFields();

  function readTimes() {
    if (isLength()) return { forMs: Number(when.value) };
    const forMs = Math.round(Number(hours.value) * hour);
    if (isOnce()) return { from: new Date(`${date.value}T${at.value}`).getTime(), forMs };
    const [ofHour, minute] = at.value.split(':').map(Number);
    const days = when.value === 'week' ? weekday.value : when.value;
    return {
      recurring: { cron: `${minute} ${ofHour} * * ${days}`, forMs, timeZone },
      ...(last.value !== '' && { until: new Date(`${last.value}T24:00`).getTime() }),
    };
  }

  return h(
    'form',
    {
      class: 'filters',
      onsubmit: (submit) => {
        submit.preventDefault();
        void changing('POST', path`/detectors/${detector.value()}/mutes`, () => ({
          ...(key.value() !== '' && { key: key.value() }),
          ...(channel.value() !== '' && { channel: channel.value() }),
          ...readTimes(),
          note: why.value,
        }))();
      },
    },
    ...detector.fields,
    ...key.fields,
    ...channel.fields,
    labelled('When', when),
    ...optional.map(([label]) => label),
    labelled('Note', why),
    h('button', { type: 'submit' }, 'Mute'),
  );
}
