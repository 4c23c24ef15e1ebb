/**
 * The daemon's way of a record without a broker: `pipeline.mjs` takes lines of JSON with sizes. Asked to train, it writes a small
 * model to a file; otherwise it reads one, as a daemon does whose trainings run in processes of their own, and answers with
 * what a record costs and what the process holds.
 */
import { createRequire } from 'node:module';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { answer } from '../lib/answer.mjs';
import { loadDetector } from '../lib/in-process.mjs';
import { residentMb } from '../lib/process.mjs';

const require = createRequire(import.meta.url);
const dist = (name) => require(`../../dist/${name}`);
const { loadSettings } = dist('config/load');
const { openEngines, usualEngines } = dist('runtime/engines');
const { trainDetector } = dist('runtime/trainer');

const batchRecords = 1000;
const start = 1.7e12;

/** Records of so many devices in turns, in the binary format of docs/formats.md. */
function createMessages(channels, keys) {
  const bytes = 20 + 8 + 8 * channels;
  let state = 1;
  const random = () => (state = (state * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
  const noise = Float64Array.from({ length: 8191 }, () => 0.3 * (random() + random() - 1));
  return (from, count) => {
    const all = Buffer.alloc(bytes * count);
    return Array.from({ length: count }, (_, i) => {
      const n = from + i;
      const [k, t] = [n % keys, Math.floor(n / keys)];
      const value = all.subarray(i * bytes, (i + 1) * bytes);
      value.write('VR');
      value[2] = value[3] = 1;
      value.writeDoubleLE(start + 1000 * t, 8);
      value.writeUInt16LE(channels, 16);
      value[19] = 8;
      value.write(String(k).padStart(8, '0'), 20);
      const z = Math.sin(t / 9 + k);
      for (let j = 0; j < channels; j++)
        value.writeDoubleLE(
          10 * j + z * (1 + (j % 7) / 4) + noise[(n * 31 + j * 17) % noise.length],
          28 + 8 * j,
        );
      const origin = { topic: 'bench', partition: 0, offset: String(n) };
      return { key: null, value, timestamp: 0, origin, warmUp: false };
    });
  };
}

async function createSettings({ channels, window, keys }) {
  const folder = mkdtempSync(join(tmpdir(), 'vaemon-bench-'));
  const path = join(folder, 'bench.yaml');
  const names = Array.from({ length: channels }, (_, j) => `c${j}`);
  writeFileSync(
    path,
    `detector: bench
source: { kind: kafka, kafka: { brokers: ['nowhere:9092'], topic: bench } }
record: { format: binary, channels: [${names.join(', ')}] }
window: { length: ${window}, maxKeys: ${Math.max(keys, 10_000)} }
model: { kind: vae, hidden: [128, 64], latentDim: 16 }
training: { epochs: 2, minRecords: 500 }
sinks: { kafka: { enabled: false, deadLetterTopic: dead } }
`,
  );
  const { detectors } = await loadSettings(path, { env: {} });
  rmSync(folder, { recursive: true });
  return detectors[0].settings;
}

async function train(settings, engines, { channels, window }) {
  const messages = createMessages(channels, 10);
  const records = 10 * Math.max(500, 8 * window);
  let published;
  await trainDetector({
    settings,
    readHistory: async function* () {
      for (let from = 0; from < records; from += 1000) yield messages(from, 1000);
    },
    store: {
      publish(files) {
        published = files;
        return Promise.resolve('bench');
      },
    },
    engines,
    exclude: [],
    writtenBy: {},
    onProgress: () => undefined,
    now: Date.now,
  });
  return published;
}

await answer({ node: process.version }, async (sizes) => {
  const { what, path, channels, keys, window, detectors = 1, records, every = Infinity } = sizes;
  const settings = await createSettings(sizes);
  const engines = await openEngines(usualEngines, { threaded: true });
  if (what === 'train') {
    writeFileSync(path, serialize(await train(settings, engines, sizes)));
    await engines.close();
    return {};
  }
  const files = deserialize(readFileSync(path));
  const all = [];
  let anomalies = 0;
  for (let d = 0; d < detectors; d++) {
    const { createHandle } = await loadDetector(settings, engines, files);
    all.push(
      createHandle(({ detections, deadLetters }) => {
        if (deadLetters.length > 0) throw new Error(deadLetters[0].message);
        anomalies += detections.length;
      }),
    );
  }
  const messages = createMessages(channels, keys);
  const memory = [];
  // Full windows, and what runs often compiled.
  const warm = Math.max(keys * window, 100_000);
  let cpu = 0;
  for (let n = 0; n < warm + records; n += batchRecords) {
    const batch = messages(n, batchRecords);
    const before = process.cpuUsage();
    for (const handle of all) await handle({ topic: 'bench', partition: 0, messages: batch, lag: 0 });
    const { user, system } = process.cpuUsage(before);
    if (n >= warm) cpu += user + system;
    if (n >= warm && (n - warm) % every === 0) memory.push(Math.round(residentMb(process.pid)));
  }
  await engines.close();
  return {
    micros: cpu / (records * detectors),
    rss: residentMb(process.pid, 'peak'),
    memory,
    anomalies,
  };
});
process.exit(0);
