#!/usr/bin/env node
/**
 * Where a defect is: the ROC-AUC of single pixels by the heat map, and how often the first region of a detection meets the defect,
 * on clothes (Fashion-MNIST) and on surfaces that are made at random, with the local faults of the canaries put into images of
 * the test. A pixel belongs to a defect if it was changed by more than 8 of 255.
 *
 *   npm run bench:places -- [--data FOLDER] [--sets clothes,cast,brushed] [--seed N] [--images N] [--set KEY=VALUE ...]
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const load = createRequire(import.meta.url);
const { rocAuc } = load('../../dist/offline/evaluate/quality/ranking');
const { putImageFault } = load('../../dist/domain/image-faults');
const { createCategoryTable } = load('../../dist/domain/condition');
const { decodeBundle } = load('../../dist/scoring/bundle');
const { createModelStore } = load('../../dist/store/model-store');
const { openEngines } = load('../../dist/runtime/engines');
const { createRandom } = load('../../dist/tensor');

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', default: join(root, '../shared/data') },
    sets: { type: 'string', default: 'clothes,cast,brushed' },
    seed: { type: 'string', default: '1' },
    images: { type: 'string', default: '300' },
    set: { type: 'string', multiple: true, default: [] },
  },
});

const defects = [
  ['occlusion', 30],
  ['cut-paste', 25],
  ['scratch', 40],
  ['blot', 20],
];
/** Of each kind of defect, and of images without any. */
const tested = 40;
const random = createRandom(Number(options.seed));

function clothes() {
  const path = (part) => join(options.data, `images/fmnist-${part}.idx3.gz`);
  if (!existsSync(path('train-12k'))) return undefined;
  const images = (part, count) => {
    const bytes = gunzipSync(readFileSync(path(part)));
    return Array.from({ length: count }, (_, i) => bytes.subarray(16 + 784 * i, 16 + 784 * (i + 1)));
  };
  return {
    side: 28,
    model: 'features: gradients',
    history: images('train-12k', 40 * Number(options.images)),
    test: images('test-2k', 400),
  };
}

/** Noise that is smooth along rows and columns by so many pixels; its deviation is 1. */
function noise(side, across, down) {
  let values = Float64Array.from({ length: side * side }, () => random.normal());
  for (const [radius, step] of [
    [across, 1],
    [down, side],
  ])
    for (let pass = 0; pass < 2 && radius > 0; pass++)
      values = values.map((_, i) => {
        const at = step === 1 ? i % side : Math.floor(i / side);
        let sum = 0;
        for (let d = -radius; d <= radius; d++) sum += values[i + (((at + d + side) % side) - at) * step];
        return sum / (2 * radius + 1);
      });
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
  return values.map((value) => value / deviation);
}

function surface(layers) {
  const side = 128;
  const draw = () => {
    const sums = new Float64Array(side * side).fill(110 + 30 * random.uniform());
    for (const [amount, across, down] of layers)
      noise(side, across, down).forEach((value, i) => (sums[i] += amount * value));
    return Uint8Array.from(sums, (value) => Math.max(0, Math.min(255, Math.round(value))));
  };
  const many = (length) => Array.from({ length }, draw);
  return { side, model: 'features: backbone', history: many(Number(options.images)), test: many(200) };
}

const sets = {
  clothes,
  cast: () =>
    surface([
      [10, 12, 12],
      [8, 3, 3],
      [6, 0, 0],
    ]),
  brushed: () =>
    surface([
      [15, 20, 0],
      [4, 0, 0],
    ]),
};

const scratch = mkdtempSync(join(tmpdir(), 'vaemon-places-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

function writeIdx(path, images, side) {
  const head = Buffer.alloc(16);
  [0x803, images.length, side, side].forEach((value, i) => head.writeUInt32BE(value, 4 * i));
  writeFileSync(path, Buffer.concat([head, ...images]));
}

/** Trains on the history, and opens the version. */
async function trainedOn(name, { side, model, history }) {
  const idx = join(scratch, `${name}.idx3`);
  const file = join(scratch, `${name}.yaml`);
  writeIdx(idx, history, side);
  writeFileSync(
    file,
    `detector: ${name}
preset: image
record: { kind: image, image: { width: ${side}, height: ${side}, format: raw } }
fields: { image: '' }
model: { ${model} }
training: { seed: ${options.seed} }
source: { kind: file, file: { path: ${idx}, historyRecords: ${history.length} } }
`,
  );
  const overrides = options.set.map((one) => `--set=${one}`);
  execFileSync(process.execPath, [join(root, 'dist/main.js'), 'train', file, ...overrides], {
    env: { ...process.env, VAEMON_STORE_PATH: scratch },
  });
  const store = createModelStore({ directory: scratch, detector: name });
  const version = await store.current();
  const engines = await openEngines('auto');
  const { files } = await store.read(version);
  const detector = await decodeBundle(version, files, createCategoryTable(), engines.openScoring);
  return { detector, close: () => engines.close() };
}

async function heatOf(detector, pixels) {
  const batch = detector.createBatch(16);
  batch.values.set(pixels);
  batch.count = 1;
  return detector.heat(batch);
}

/** Intersection of a box with the box of the defect, by their union. */
function overlap(box, changed, side) {
  const places = [...changed.keys()].filter((i) => changed[i] === 1);
  const [xs, ys] = [places.map((i) => i % side), places.map((i) => Math.floor(i / side))];
  const of = { x: Math.min(...xs), y: Math.min(...ys) };
  const [width, height] = [Math.max(...xs) - of.x + 1, Math.max(...ys) - of.y + 1];
  const along = (a, b, sizeA, sizeB) => Math.max(0, Math.min(a + sizeA, b + sizeB) - Math.max(a, b));
  const shared = along(box.x, of.x, box.width, width) * along(box.y, of.y, box.height, height);
  return shared / (box.width * box.height + width * height - shared);
}

const format = (value) => value.toFixed(3).replace(/^0/, '');
console.log(
  `| set | ${defects.map(([kind, size]) => `${kind} ${size}`).join(' | ')} | all | meets | overlap |`,
);
for (const name of options.sets.split(',')) {
  const set = sets[name]();
  if (set === undefined) continue;
  const { side, test } = set;
  const { detector, close } = await trainedOn(name, set);
  const normal = { heat: [], labels: [] };
  for (const pixels of test.slice(0, tested)) {
    normal.heat.push((await heatOf(detector, pixels)).ofPixels);
    normal.labels.push(new Uint8Array(side * side));
  }
  const auc = ({ heat, labels }) => {
    const join = (parts, to) => {
      parts.forEach((part, i) => to.set(part, i * side * side));
      return to;
    };
    const size = heat.length * side * side;
    return rocAuc(join(labels, new Uint8Array(size)), join(heat, new Float64Array(size)));
  };
  const all = { heat: [...normal.heat], labels: [...normal.labels] };
  const overlaps = [];
  const ofKinds = [];
  for (const [k, [kind, size]] of defects.entries()) {
    const of = { heat: [...normal.heat], labels: [...normal.labels] };
    for (const pixels of test.slice((k + 1) * tested, (k + 2) * tested)) {
      const image = { width: side, height: side, colour: 'grey' };
      const faulty = putImageFault(kind, size, pixels, image, random) ?? pixels;
      const changed = pixels.map((value, i) => (Math.abs(value - faulty[i]) > 8 ? 1 : 0));
      if (!changed.includes(1)) continue;
      const { ofPixels, regions } = await heatOf(detector, faulty);
      for (const into of [of, all]) {
        into.heat.push(ofPixels);
        into.labels.push(changed);
      }
      overlaps.push(overlap(regions[0], changed, side));
    }
    ofKinds.push(auc(of));
  }
  const meets = overlaps.filter((share) => share > 0).length / overlaps.length;
  const mean = overlaps.reduce((sum, share) => sum + share / overlaps.length, 0);
  console.log(
    `| ${[name, ...[...ofKinds, auc(all)].map(format), `${Math.round(100 * meets)} %`, format(mean)].join(' | ')} |`,
  );
  detector.dispose();
  await close();
}
