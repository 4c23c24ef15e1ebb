/** Image messages to verdicts, as the daemon makes them but for Kafka: `images.mjs FOLDER`, with a model version and images in it. */
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { answer } from '../lib/answer.mjs';

const require = createRequire(import.meta.url);
const dist = (name) => require(`../../dist/${name}`);
const { loadSettings } = dist('config/load');
const { openEngines, usualEngines } = dist('engines');
const { createIntake } = dist('intake');
const { createMemory, memoryRules } = dist('memory');
const { createMetrics } = dist('metrics');
const { createPipeline } = dist('pipeline');
const { decodeBundle } = dist('scoring/bundle');
const { createModelStore } = dist('store/model-store');
const { createLimitCheck } = dist('domain/signal');

const [folder] = process.argv.slice(2);
const { detectors } = await loadSettings(join(folder, 'detector.yaml'), { env: {} });
const { settings } = detectors[0];
const engines = await openEngines(usualEngines, { threaded: true });
const store = createModelStore({ directory: join(folder, 'store'), detector: settings.detector });
const intake = createIntake(settings);
const { files } = await store.read(await store.current());
const detector = await decodeBundle('bench', files, intake.table, engines.openScoring);
const images = readdirSync(join(folder, 'images'))
  .sort()
  .map((name) => readFileSync(join(folder, 'images', name)));
const { threshold } = JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8'));

const scores = new Map();
const active = { detector, threshold: 3 };

function createHandle(anomaliesOnly) {
  const sink = {
    name: 'bench',
    anomaliesOnly,
    write({ detections }) {
      for (const { origin, statistics } of detections) scores.set(origin.offset, statistics.reconstruction);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
  return createPipeline({
    detectorName: settings.detector,
    decode: intake.decode,
    memory: createMemory(memoryRules(settings, intake)),
    stale: { duplicate: 'reject', out_of_order: 'reject' },
    limits: createLimitCheck(settings.record.channels, settings.record.signals),
    current: () => active,
    sinks: [sink],
    metrics: createMetrics({ version: '', engine: 'bench', process: false }).forDetector('bench', {
      topics: [],
      sinks: ['bench'],
    }),
    now: Date.now,
    onBroken: (error) => {
      throw error;
    },
  });
}
const handlers = { outputs: createHandle(false), run: createHandle(true) };

let offset = 0;
await answer({ node: process.version, engine: detector.engine }, async ({ what, batch, seconds }) => {
  const first = offset;
  const next = async () => {
    const messages = Array.from({ length: batch }, (_, i) => ({
      key: Buffer.from('camera'),
      value: images[(offset + i - first) % images.length],
      timestamp: 1.7e12 + 1000 * (offset + i),
      origin: { topic: 'images', partition: 0, offset: String(offset + i) },
      refill: false,
    }));
    offset += batch;
    await handlers[what]({ topic: 'images', partition: 0, messages, lag: 0 });
  };
  if (what === 'outputs') {
    await next();
    return { scores: Array.from({ length: batch }, (_, i) => scores.get(String(first + i))), threshold };
  }
  const began = { at: performance.now(), cpu: process.cpuUsage(), offset };
  while (performance.now() - began.at < 1000 * seconds) await next();
  const { user, system } = process.cpuUsage(began.cpu);
  const done = offset - began.offset;
  scores.clear();
  return {
    perSecond: (1000 * done) / (performance.now() - began.at),
    perCpuSecond: (1e6 * done) / (user + system),
  };
});
await engines.close();
