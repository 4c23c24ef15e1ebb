/** How the cost of a record, and the memory of a process, grow with devices, channels, windows and detectors. */
import { measurePipeline } from '../lib/pipeline.mjs';
import { plot } from '../lib/plot.mjs';

const usual = { channels: 8, window: 32, keys: 100, detectors: 1 };
const axes = {
  keys: [10, 100, 1000, 10_000, 100_000],
  channels: [8, 16, 32, 64, 128],
  window: [16, 32, 64, 128, 256],
  detectors: [1, 2, 4, 8, 16],
};

export async function run({ growthRecords, log }) {
  const rows = [];
  for (const [axis, sizes] of Object.entries(axes)) {
    for (const size of sizes) {
      const records = Math.ceil(growthRecords / (axis === 'detectors' ? size : 1) / 1000) * 1000;
      const { micros, rss } = await measurePipeline({ ...usual, [axis]: size, records });
      rows.push({ axis, size, micros, rss });
      log(`${axis} ${size}: ${micros.toFixed(1)} CPU µs a record, ${Math.round(rss)} MB`);
    }
  }
  return { usual, rows };
}

export function format({ usual, rows }) {
  const { channels, window, keys } = usual;
  const lines = [
    `Where nothing else is said: ${keys} devices, ${channels} channels, windows of ${window}, one detector.`,
    '',
    '| grows | to | CPU µs a record | peak RSS |',
    '| ----- | -: | --------------: | -------: |',
  ];
  for (const { axis, size, micros, rss } of rows)
    lines.push(`| ${axis} | ${size.toLocaleString('en')} | ${micros.toFixed(1)} | ${Math.round(rss)} MB |`);
  return lines.join('\n');
}

/** The same as a picture, SVG. */
export function picture({ rows }) {
  const panels = Object.keys(axes).map((axis) => {
    const own = rows.filter((row) => row.axis === axis);
    return {
      title: axis,
      x: own.map(({ size }) => size),
      lines: [
        { name: 'CPU µs a record', y: own.map(({ micros }) => micros) },
        { name: 'peak RSS, MB', y: own.map(({ rss }) => rss) },
      ],
    };
  });
  return plot(panels);
}
