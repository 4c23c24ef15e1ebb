#!/usr/bin/env node
/**
 * Where a defect is: the ROC-AUC of single pixels by the heat map, and how often the first region of a detection meets the defect,
 * on clothes (Fashion-MNIST) and on surfaces (surfaces.mjs), with the local faults of the canaries put into images of the test.
 * A pixel belongs to a defect if it was changed by more than 8 of 255.
 *
 *   npm run bench:places -- [--data FOLDER] [--pictures FOLDER] [--sets clothes,cast] [--seed N] [--images N] [--set KEY=VALUE ...]
 *
 * The pictures are in skimage/data of an installed scikit-image; without them only the surfaces that are made are measured.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { createSurfaces, toBytes, side as surfaceSide } from './surfaces.mjs';

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
    pictures: { type: 'string' },
    sets: { type: 'string' },
    seed: { type: 'string', default: '1' },
    images: { type: 'string', default: '120' },
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

function surface(name) {
  const { history, test } = createSurfaces(createRandom(Number(options.seed)), options.pictures).sourceOf(
    name,
  );
  const count = Number(options.images);
  return {
    side: surfaceSide,
    model: 'features: backbone',
    history: Array.from({ length: count }, (_, i) => toBytes(history(i, count))),
    test: Array.from({ length: 5 * tested }, () => toBytes(test())),
  };
}

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
const { names } = createSurfaces(createRandom(0), options.pictures);
for (const name of options.sets?.split(',') ?? ['clothes', ...names]) {
  const set = name === 'clothes' ? clothes() : surface(name);
  if (set === undefined) continue;
  // Each set has draws of its own, whichever others are measured.
  const random = createRandom(Number(options.seed));
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
