/** Image messages to verdicts, as the daemon makes them but for Kafka: `images.mjs FOLDER`, with a model version and images in it. */
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { answer } from '../lib/answer.mjs';
import { loadDetector } from '../lib/in-process.mjs';

const require = createRequire(import.meta.url);
const dist = (name) => require(`../../dist/${name}`);
const { loadSettings } = dist('config/load');
const { openEngines, usualEngines } = dist('runtime/engines');
const { createModelStore } = dist('store/model-store');

const [folder] = process.argv.slice(2);
const { detectors } = await loadSettings(join(folder, 'detector.yaml'), { env: {} });
const { settings } = detectors[0];
const engines = await openEngines(usualEngines, { threaded: true });
const store = createModelStore({ directory: join(folder, 'store'), detector: settings.detector });
const { files } = await store.read(await store.current());
const { engine, createHandle } = await loadDetector(settings, engines, files);
const images = readdirSync(join(folder, 'images'))
  .sort()
  .map((name) => readFileSync(join(folder, 'images', name)));

const scores = new Map();
const keep = ({ detections }) => {
  for (const { origin, statistics } of detections) scores.set(origin.offset, statistics.reconstruction);
};
const handlers = { outputs: createHandle(keep, false), run: createHandle(keep) };

let offset = 0;
await answer({ node: process.version, engine }, async ({ what, batch, seconds }) => {
  const first = offset;
  const next = async () => {
    const messages = Array.from({ length: batch }, (_, i) => ({
      key: Buffer.from('camera'),
      value: images[(offset + i - first) % images.length],
      timestamp: 1.7e12 + 1000 * (offset + i),
      origin: { topic: 'images', partition: 0, offset: String(offset + i) },
      warmUp: false,
    }));
    offset += batch;
    await handlers[what]({ topic: 'images', partition: 0, messages, lag: 0 });
  };
  if (what === 'outputs') {
    await next();
    return { scores: Array.from({ length: batch }, (_, i) => scores.get(String(first + i))) };
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
