#!/usr/bin/env node
/**
 * Draws docs/demo.png from a real run: trains on the fault-free half of data/host, scores the other half through the
 * daemon's pipeline, and shows surprise, threshold, events and the induced faults.
 *
 *   npm run picture
 */
import { createRequire } from 'node:module';
import sharp from 'sharp';

const require = createRequire(import.meta.url);
const from = (path) => require(`../dist/${path}`);
const { loadSettings } = from('config/load');
const { openEngines, usualEngines } = from('runtime/engines');
const { evaluateDetector } = from('offline/evaluate/evaluator');
const { createFileHistory } = from('sources/file/file');
const { readLabels } = from('sources/file/fault-labels');

const output = process.argv[2] ?? 'docs/demo.png';
const shown = ['cpu_user', 'mem_used_bytes', 'http_latency_p95', 'http_requests'];

const { detections, events, labels, threshold } = await replay();
await sharp(Buffer.from(draw())).png({ palette: true }).toFile(output);
console.log(
  `${output}: ${detections.length} records, ${events.filter(({ status }) => status === 'open').length} events, ${labels.length} faults`,
);

async function replay() {
  const { detectors } = await loadSettings('config/demo', { env: {} });
  const { settings } = detectors[0];
  const { file } = settings.source;
  const messages = [];
  for await (const part of createFileHistory(file, Infinity)({ maxRecords: Infinity }))
    messages.push(...part);
  const engines = await openEngines(usualEngines);
  const seen = { detections: [], events: [] };
  const { threshold } = await evaluateDetector({
    settings,
    engines,
    // The training records fill the first window and get no detections.
    train: messages.slice(0, file.historyRecords).map((message) => ({ ...message, warmUp: true })),
    test: messages.slice(file.historyRecords).map((message, i) => ({
      ...message,
      origin: { ...message.origin, offset: String(i) },
    })),
    onDetections(verdicts) {
      seen.detections.push(...verdicts.detections);
      seen.events.push(...verdicts.events);
    },
  });
  await engines.close();
  const values = new Map(
    messages.map(({ value }) => JSON.parse(value)).map((one) => [Date.parse(one.timestamp), one.values]),
  );
  for (const detection of seen.detections) detection.values = values.get(detection.timestamp);
  return { ...seen, labels: await readLabels(file.labels), threshold };
}

function draw() {
  const width = 1400;
  const left = 150;
  const right = 20;
  const surpriseHeight = 230;
  const rowHeight = 78;
  const top = 96;
  const height = top + surpriseHeight + 24 + shown.length * rowHeight + 40;
  const first = detections[0].timestamp;
  const last = detections.at(-1).timestamp;
  const x = (time) => left + ((time - first) / (last - first)) * (width - left - right);
  const line = (points, attributes) =>
    `<polyline fill="none" ${attributes} points="${points.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join(' ')}"/>`;
  const text = (a, b, content, attributes = '') => `<text x="${a}" y="${b}" ${attributes}>${content}</text>`;
  const ceiling = 12;
  const y = (surprise) => top + surpriseHeight - (Math.min(surprise, ceiling) / ceiling) * surpriseHeight;
  const bottom = height - 34;
  const parts = [];

  for (const { start, end, kind } of labels) {
    const middle = (x(start) + x(end)) / 2;
    parts.push(
      `<rect x="${x(start)}" y="${top}" width="${x(end) - x(start)}" height="${bottom - top}" fill="#f4c7c3" opacity="0.7"/>`,
    );
    parts.push(
      text(
        middle,
        top - 6,
        kind.replace('_', ' '),
        `font-size="12" fill="#a33" transform="rotate(-32 ${middle} ${top - 6})"`,
      ),
    );
  }
  for (const level of [0, 3, 6, 9, 12]) {
    parts.push(`<line x1="${left}" x2="${width - right}" y1="${y(level)}" y2="${y(level)}" stroke="#ddd"/>`);
    parts.push(
      text(left - 8, y(level) + 4, level === 12 ? '≥ 12' : level, 'text-anchor="end" font-size="13"'),
    );
  }
  parts.push(text(16, top + 18, 'surprise', 'font-size="15" font-weight="bold"'));
  parts.push(text(16, top + 38, '−log₁₀ p', 'font-size="13"'));
  parts.push(
    line(
      detections.map((d) => [x(d.timestamp), y(d.surprise)]),
      'stroke="#1f5fa8" stroke-width="1"',
    ),
  );
  parts.push(
    `<line x1="${left}" x2="${width - right}" y1="${y(threshold)}" y2="${y(threshold)}" stroke="#d62728" stroke-width="1.5" stroke-dasharray="6 4"/>`,
  );
  parts.push(text(16, y(threshold) + 4, 'threshold', 'font-size="13" fill="#d62728"'));
  for (const event of events.filter(({ status }) => status === 'open')) {
    parts.push(
      `<path d="M ${x(event.openedAt)} ${top + surpriseHeight + 6} l 6 12 l -12 0 z" fill="#d62728"/>`,
    );
  }
  parts.push(text(16, top + surpriseHeight + 17, '▲ event opens', 'font-size="13" fill="#d62728"'));

  shown.forEach((channel, i) => {
    const base = top + surpriseHeight + 24 + (i + 1) * rowHeight - 8;
    const sorted = detections.map((d) => d.values[channel]).sort((a, b) => a - b);
    const low = sorted[0];
    const high = sorted[Math.floor(sorted.length * 0.998)];
    const level = (value) => base - ((Math.min(value, high) - low) / (high - low || 1)) * (rowHeight - 18);
    parts.push(text(16, base - rowHeight / 2 + 10, channel, 'font-size="13"'));
    parts.push(
      line(
        detections.map((d) => [x(d.timestamp), level(d.values[channel])]),
        'stroke="#555" stroke-width="0.8"',
      ),
    );
  });
  for (let time = Math.ceil(first / 600_000) * 600_000; time <= last; time += 600_000) {
    parts.push(
      text(
        x(time),
        height - 12,
        new Date(time).toISOString().slice(11, 16),
        'text-anchor="middle" font-size="13"',
      ),
    );
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif">
    <rect width="100%" height="100%" fill="white"/>${parts.join('\n')}</svg>`;
}
