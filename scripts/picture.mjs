#!/usr/bin/env node
/**
 * Draws docs/demo.png from a real run: trains on the fault-free half of data/host, scores the other half through the
 * daemon's own pipeline, and shows surprise, threshold, events, and the faults that were induced.
 *
 *   npm run picture
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';

const require = createRequire(import.meta.url);
const from = (path) => require(`../dist/${path}`);
const { loadSettings } = from('config/load');
const { alarmThreshold } = from('calibration/threshold');
const { createEventTracker } = from('domain/event');
const { createLimitCheck } = from('domain/signal');
const { createWindowStore } = from('domain/window');
const { createIntake } = from('intake');
const { createMetrics } = from('metrics');
const { createPipeline } = from('pipeline');
const { decodeBundle } = from('scoring/bundle');
const { createFileHistory, createFileSource } = from('sources/file');
const { readLabels } = from('sources/labels');
const { createModelStore } = from('store/model-store');
const { openBackend } = from('tensor');
const { trainDetector } = from('trainer');

const output = process.argv[2] ?? 'docs/demo.png';
const shown = ['cpu_user', 'mem_used_bytes', 'http_latency_p95', 'http_requests'];

const { detections, events, labels, threshold } = await replay();
await sharp(Buffer.from(draw())).png({ palette: true }).toFile(output);
console.log(
  `${output}: ${detections.length} records, ${events.filter(({ status }) => status === 'open').length} events, ${labels.length} faults`,
);

async function replay() {
  const overrides = { 'source.file.loop': 'false', 'source.file.rate': '0' };
  const { detectors } = await loadSettings('config/demo', { env: {}, overrides });
  const { settings } = detectors[0];
  const { file } = settings.source;
  const directory = mkdtempSync(join(tmpdir(), 'vaemon-picture-'));
  try {
    const backend = await openBackend();
    const store = createModelStore({ directory, detector: settings.detector });
    const { version } = await trainDetector({
      settings,
      store,
      backend,
      readHistory: createFileHistory(file, file.historyRecords),
      exclude: [],
      writtenBy: {},
      now: Date.now,
      onProgress: () => undefined,
    });
    const intake = createIntake(settings);
    const detector = decodeBundle(version, (await store.read(version)).files, intake.table);
    const { surprise: limit } = alarmThreshold(settings.calibration.falseAlarmTarget, detector.state);
    const seen = { detections: [], events: [] };
    const handle = createPipeline({
      detectorName: settings.detector,
      decode: (messages, now) => {
        values.push(...messages.map(({ value }) => JSON.parse(value.toString())));
        return intake.decode(messages, now);
      },
      windows: createWindowStore(intake.shape, settings.window),
      stale: { duplicate: settings.record.duplicates, out_of_order: settings.record.outOfOrder },
      limits: createLimitCheck(settings.record.channels, settings.record.signals),
      current: () => ({ detector, threshold: limit }),
      events: createEventTracker(settings.events),
      sinks: [
        {
          name: 'picture',
          write: async (verdicts) => {
            seen.detections.push(...verdicts.detections);
            seen.events.push(...verdicts.events);
          },
          close: async () => undefined,
        },
      ],
      metrics: createMetrics({ version: '', engine: backend.name, process: false }).forDetector(
        settings.detector,
        {
          topics: [file.path],
          sinks: ['picture'],
        },
      ),
      now: Date.now,
      onBroken: (error) => {
        throw error;
      },
    });
    const values = [];
    await createFileSource(file).run(handle);
    const byTime = new Map(values.map((record) => [Date.parse(record.timestamp), record.values]));
    for (const detection of seen.detections) detection.values = byTime.get(detection.timestamp);
    return { ...seen, labels: await readLabels(file.labels), threshold: limit };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
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
