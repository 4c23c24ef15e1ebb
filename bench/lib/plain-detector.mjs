/** A detector of records that `streams.mjs` makes: its settings, and a small model. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createStream } from './streams.mjs';

const require = createRequire(import.meta.url);
const dist = (name) => require(`../../dist/${name}`);
const { loadSettings } = dist('config/load');
const { trainDetector } = dist('runtime/trainer');

export async function createSettings({ channels, window, keys }) {
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

export async function train(settings, engines, { channels, window }) {
  const messages = createStream(channels, 10);
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
