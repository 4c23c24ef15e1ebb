/** Elements, times and numbers. */

/**
 * An element. `attributes`: `class`, `href`, …; a function is a listener (`onclick`). Children are elements or text, never HTML: names
 * of devices come from outside.
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(
    ...children.flat().filter((child) => child !== undefined && child !== null && child !== false),
  );
  return element;
}

/** Terms and what they are; those without a value are left out. */
export function descriptions(pairs) {
  return h(
    'dl',
    {},
    pairs
      .filter(([, value]) => value !== undefined && value !== null)
      .flatMap(([term, value]) => [h('dt', {}, term), h('dd', {}, value)]),
  );
}

/** Local time to the second; the title has UTC. */
export function time(ms) {
  const date = new Date(ms);
  return h('time', { datetime: date.toISOString(), title: date.toISOString() }, date.toLocaleString('sv'));
}

export function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const units = [
    ['d', 86400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ];
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return '0 s';
  const [unit, size] = units[first];
  const rest = units[first + 1] && Math.floor((seconds % size) / units[first + 1][1]);
  return `${Math.floor(seconds / size)} ${unit}${rest ? ` ${rest} ${units[first + 1][0]}` : ''}`;
}

/** Millions and billions with their letter: `413.6M`. */
export function number(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e12)) return value.toExponential(2);
  if (Math.abs(value) >= 1e6)
    return value.toLocaleString('en', { notation: 'compact', maximumSignificantDigits: digits + 1 });
  return Number(value.toPrecision(Math.abs(value) >= 1000 ? digits + 1 : digits)).toLocaleString('en', {
    maximumFractionDigits: 6,
  });
}

/** A number for an axis: `350M`. */
export function tick(value) {
  return Math.abs(value) < 1e5 ? number(value) : value.toLocaleString('en', { notation: 'compact' });
}

export const percent = (ratio) => `${Math.round(100 * ratio)} %`;

/** For a style, which has no space. */
export const cssPercent = (ratio) => `${100 * ratio}%`;

/** The route of an event, a device. */
export const eventLink = (id) => `#/event/${encodeURIComponent(id)}`;
export const deviceLink = (detector, key) =>
  `#/device/${encodeURIComponent(detector)}/${encodeURIComponent(key)}`;

const statusClass = { open: 'bad', closed: 'quiet', held_back: 'warn' };
const endings = {
  quiet: 'closed',
  silence: 'fell silent',
  end: 'ended',
  accepted: 'new normal',
  resumed: 'resumed',
};

export function statusTag({ status, closedBy }) {
  const text =
    status === 'held_back' ? 'held back' : status === 'open' ? 'open' : (endings[closedBy] ?? 'closed');
  return h('span', { class: `tag ${statusClass[status]}` }, text);
}

/** The event in a few words: the channel that stands out, its value and what was expected. */
export function summary(event) {
  if (event.kind === 'silent') {
    const others = (event.keys?.length ?? 1) - 1;
    return `sends nothing${others > 0 ? `, nor do ${others} others` : ''}`;
  }
  const [limit] = event.limits;
  if (limit !== undefined)
    return `${limit.channel} ${number(limit.actual)}, ${limit.limit === 'max' ? 'above' : 'below'} its limit of ${number(limit.bound)}`;
  const [first, ...others] = event.contributions;
  if (first === undefined) return 'anomalous';
  const more = others.filter(({ records }) => records > 0).length;
  return `${first.channel} ${number(first.actual)}, expected ${number(first.expected)}${more > 0 ? ` (+${more})` : ''}`;
}
