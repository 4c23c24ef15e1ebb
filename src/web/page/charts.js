/** Charts of records, drawn by uPlot. */
import uPlot from './uPlot.esm.js';
import { h, tick } from './dom.js';

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** `light-dark()` is resolved by an element, not by a custom property. */
function palette() {
  const probe = h('span', { hidden: true });
  document.body.append(probe);
  const read = (value) => {
    probe.style.color = value;
    return getComputedStyle(probe).color;
  };
  const colours = Object.fromEntries(
    ['--text', '--quiet', '--line', '--accent', '--bad'].map((name) => [name.slice(2), read(colour(name))]),
  );
  probe.remove();
  return colours;
}

const shade = (text, alpha) =>
  `rgba(${text
    .match(/[\d.]+/g)
    .slice(0, 3)
    .join(', ')}, ${alpha})`;

/** Marks the time of the event. */
function intervalPlugin(interval, fill) {
  return {
    hooks: {
      drawClear(chart) {
        if (interval === undefined) return;
        const { ctx, bbox } = chart;
        const clamp = (x) => Math.min(bbox.left + bbox.width, Math.max(bbox.left, x));
        const from = clamp(chart.valToPos(interval[0] / 1000, 'x', true));
        const to = clamp(chart.valToPos(interval[1] / 1000, 'x', true));
        ctx.fillStyle = fill;
        ctx.fillRect(from, bbox.top, Math.max(2, to - from), bbox.height);
      },
    },
  };
}

/** Without seconds where no tick needs them. */
const timesOf = (_, seconds, ...[, , step]) =>
  seconds.map((at) => new Date(at * 1000).toLocaleTimeString('sv').slice(0, step < 60 ? 8 : 5));

function draw(parent, data, series, bands, interval, height) {
  const colours = palette();
  const axis = {
    stroke: colours.quiet,
    grid: { stroke: shade(colours.line, 0.7), width: 1 },
    ticks: { show: false },
  };
  const chart = new uPlot(
    {
      width: Math.max(200, parent.clientWidth),
      height,
      legend: { show: false },
      cursor: { sync: { key: 'records' } },
      series: [{}, ...series(colours)],
      bands,
      // The last time of the axis is wider than uPlot expects.
      padding: [null, 26, null, null],
      axes: [
        { ...axis, values: timesOf, space: (...[, , , , length]) => (length < 400 ? 55 : 80), size: 28 },
        { ...axis, size: 64, values: (_, ticks) => ticks.map(tick) },
      ],
      plugins: [intervalPlugin(interval, shade(colours.bad, 0.13))],
    },
    data,
    parent,
  );
  new ResizeObserver(() => {
    if (!parent.isConnected) return;
    const width = parent.clientWidth;
    if (width > 0 && width !== chart.width) chart.setSize({ width, height });
  }).observe(parent);
  return chart;
}

function frame(title, note, label) {
  const canvas = h('div', { role: 'img', 'aria-label': label });
  return [
    h('section', { class: 'chart' }, h('h3', {}, title, ' ', h('span', { class: 'quiet' }, note)), canvas),
    canvas,
  ];
}

const pointsOf = (records) => ({ show: records < 120, size: 4 });

/**
 * A channel: its values over what the model expected ± the usual error.
 * @param place where it is put before it is drawn, as its width follows
 */
export function channelChart(place, { channels, records, band }, channel, interval, note = '') {
  const j = channels.indexOf(channel);
  if (j < 0 || records.timestamps.length === 0) return;
  const times = records.timestamps.map((at) => at / 1000);
  const [actual, expected] = [records.actual[j], records.expected[j]];
  const half = band[j] ?? 0;
  const shift = (by) => expected.map((value) => (value === null ? null : value + by));
  const [section, canvas] = frame(channel, note, `${channel}: values over time, with what was expected`);
  place.append(section);
  draw(
    canvas,
    [times, shift(half), shift(-half), expected, actual],
    (colours) => [
      { stroke: 'transparent', points: { show: false } },
      { stroke: 'transparent', points: { show: false } },
      { stroke: colours.quiet, width: 1.5, dash: [5, 4], points: { show: false } },
      { stroke: colours.accent, width: 2, points: pointsOf(times.length) },
    ],
    [{ series: [1, 2], fill: shade(palette().quiet, 0.18) }],
    interval,
    170,
  );
}

/** Surprise over the threshold. */
export function surpriseChart(place, { timestamps, surprise, threshold }, interval, note = '') {
  if (timestamps.length === 0) return;
  const [section, canvas] = frame('Surprise', note, 'Surprise over time, with the threshold');
  place.append(section);
  draw(
    canvas,
    [timestamps.map((at) => at / 1000), threshold, surprise],
    (colours) => [
      { stroke: colours.quiet, width: 1.5, dash: [5, 4], points: { show: false } },
      { stroke: colours.bad, width: 2, points: pointsOf(timestamps.length) },
    ],
    [],
    interval,
    130,
  );
}

export const legend = () =>
  h(
    'p',
    { class: 'legend' },
    h('span', { class: 'key' }),
    'actual',
    h('span', { class: 'key expected' }),
    'expected, or threshold',
    h('span', { class: 'key band' }),
    'usual error of normal records',
    h('span', { class: 'key event' }),
    'event',
  );
