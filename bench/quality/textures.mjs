#!/usr/bin/env node
/**
 * Defects of surfaces: scratches, blots, pasted, missing and stained places of 8, 16 and 32 pixels at a tenth, a fifth and two fifths
 * of the range of a texture, in photographs of brick, grass and gravel (scikit-image), and in surfaces that are made at random,
 * of which every image is another one. Crops to train with, to calibrate with and to test with never overlap. Prints ROC-AUC by
 * contrast, the share of normal images that are flagged, and time and memory of the training.
 *
 *   npm run bench:textures -- --pictures FOLDER [--sets brick,cast] [--seed N] [--images N] [--mislabelled SHARE] [--set KEY=VALUE ...]
 *
 * FOLDER is skimage/data of an installed scikit-image; without it only the surfaces that are made are measured. With SHARE so many of the
 * training images have a defect of 32 pixels at the strongest contrast.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { blurred, createSurfaces, pixels, side, toBytes } from './surfaces.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const require = createRequire(import.meta.url);
const { rocAuc } = require('../../dist/offline/evaluate/quality/ranking');
const { createRandom } = require('../../dist/tensor');

const { values: options } = parseArgs({
  options: {
    pictures: { type: 'string' },
    sets: { type: 'string' },
    seed: { type: 'string', default: '1' },
    images: { type: 'string', default: '300' },
    mislabelled: { type: 'string', default: '0' },
    set: { type: 'string', multiple: true, default: [] },
  },
});

const tested = 100;
/** Defects of each kind, size and contrast. */
const repetitions = 4;
const kinds = ['scratch', 'blot', 'paste', 'missing', 'stain'];
const sizes = [8, 16, 32];
const contrasts = [0.1, 0.2, 0.4];

const random = createRandom(Number(options.seed));
const { below, between, names, sourceOf } = createSurfaces(random, options.pictures);

function withDefect(image, other, kind, size, step) {
  const [left, top] = [4 + below(side - size - 8), 4 + below(side - size - 8)];
  const sign = random.uniform() < 0.5 ? -1 : 1;
  const [angle, width, turn] = [between(0, Math.PI), random.uniform() < 0.5 ? 1 : 2, 1 + below(3)];
  const [fromX, fromY] = [below(side - size), below(side - size)];
  const smooth = kind === 'missing' ? blurred(image, 8, 8) : undefined;
  // Of what replaces a place, so that it is whole at the largest contrast.
  const share = step.contrast / Math.max(...contrasts);
  return image.map((value, i) => {
    const [x, y] = [(i % side) - left, Math.floor(i / side) - top];
    const [dx, dy] = [x - size / 2, y - size / 2];
    const isInside = x >= 0 && y >= 0 && x < size && y < size;
    switch (kind) {
      case 'scratch': {
        const across = Math.abs(dx * Math.sin(angle) - dy * Math.cos(angle));
        const along = Math.abs(dx * Math.cos(angle) + dy * Math.sin(angle));
        return across <= width / 2 && along <= size / 2 ? value + sign * step.height : value;
      }
      case 'blot':
        return dx * dx + dy * dy <= (size / 2) ** 2 ? value + sign * step.height : value;
      case 'stain':
        return value + sign * step.height * Math.exp(-(dx * dx + dy * dy) / (2 * (size / 3) ** 2));
      case 'missing':
        return isInside ? (1 - share) * value + share * smooth[i] : value;
      default: {
        if (!isInside) return value;
        let [u, v] = [x, y];
        for (let n = 0; n < turn; n++) [u, v] = [v, size - 1 - u];
        return (1 - share) * value + share * other[(fromY + v) * side + fromX + u];
      }
    }
  });
}

/** Difference of a high and a low quantile of what images deviate from their means. */
function rangeOf(images) {
  const deviations = images.flatMap((image) => {
    const mean = image.reduce((sum, value) => sum + value / pixels, 0);
    return Array.from(image, (value) => value - mean);
  });
  const sorted = Float64Array.from(deviations).sort();
  return sorted[Math.floor(0.995 * sorted.length)] - sorted[Math.floor(0.005 * sorted.length)];
}

function writeImages(path, images) {
  const head = Buffer.alloc(16);
  [0x803, images.length, side, side].forEach((value, i) => head.writeUInt32BE(value, 4 * i));
  writeFileSync(path, Buffer.concat([head, ...images.map(toBytes)]));
}

/** Writes the images of a set. @returns size and contrast of each defect, after the `tested` normal images */
function prepare(name, folder) {
  const { history, test } = sourceOf(name);
  const count = Number(options.images);
  const known = Array.from({ length: count }, (_, i) => history(i, count));
  const range = rangeOf(known.slice(0, 20));
  const defects = kinds.flatMap((kind) =>
    sizes.flatMap((size) =>
      contrasts.flatMap((contrast) => Array.from({ length: repetitions }, () => ({ kind, size, contrast }))),
    ),
  );
  const usual = Array.from({ length: tested }, test);
  const broken = defects.map(({ kind, size, contrast }) =>
    withDefect(test(), test(), kind, size, { contrast, height: contrast * range }),
  );
  mkdirSync(folder);
  const most = { contrast: Math.max(...contrasts), height: Math.max(...contrasts) * range };
  const share = Number(options.mislabelled);
  const every = Math.round(1 / share);
  const learned = known.map((image, i) =>
    share > 0 && i % every === 1
      ? withDefect(image, known[0], kinds[Math.floor(i / every) % kinds.length], 32, most)
      : image,
  );
  writeImages(join(folder, 'surface.train.idx3'), learned);
  writeImages(join(folder, 'surface.test.idx3'), [...usual, ...broken]);
  return defects;
}

function evaluate(folder) {
  const out = join(folder, 'scores.csv');
  const { status, stderr } = spawnSync(
    'time',
    [
      ...['-f', '%U %M', process.execPath, join(root, 'dist/main.js'), 'evaluate'],
      ...[join(root, 'config/evaluate/image.yaml'), '--train', folder, '--test', folder, '--out', out],
      ...[`--set=training.seed=${options.seed}`, ...options.set.map((one) => `--set=${one}`)],
    ],
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  if (status !== 0) throw new Error(stderr);
  const [seconds, kilobytes] = stderr.trim().split('\n').at(-1).split(' ').map(Number);
  const rows = readFileSync(out, 'utf8').trim().split('\n').slice(1);
  const column = (at) => Float64Array.from(rows, (row) => Number(row.split(',')[at]));
  return { scores: column(2), flags: column(3), seconds, megabytes: kilobytes / 1000 };
}

const scratch = mkdtempSync(join(tmpdir(), 'vaemon-textures-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

if (!names.includes('brick'))
  console.error('bench:textures: no --pictures: only surfaces that are made at random');
const sets = options.sets?.split(',') ?? names;
const head = ['surface', 'all', '.1', '.2', '.4', '.4, 16 and 32 px', 'flagged', 'found', 's of CPU', 'MB'];
console.log(`| ${head.join(' | ')} |\n|${head.map(() => '---').join('|')}|`);
for (const name of sets) {
  const folder = join(scratch, name);
  const defects = prepare(name, folder);
  const { scores, flags, seconds, megabytes } = evaluate(folder);
  const auc = (isChosen) => {
    const chosen = [...defects.keys()].filter((i) => isChosen(defects[i])).map((i) => scores[tested + i]);
    const labels = Uint8Array.from({ length: tested + chosen.length }, (_, i) => (i < tested ? 0 : 1));
    return rocAuc(labels, Float64Array.of(...scores.subarray(0, tested), ...chosen))
      .toFixed(3)
      .replace(/^0/, '');
  };
  const share = (values) =>
    `${((100 * values.reduce((sum, value) => sum + value, 0)) / values.length).toFixed(0)} %`;
  const cells = [
    auc(() => true),
    ...contrasts.map((one) => auc(({ contrast }) => contrast === one)),
    auc(({ contrast, size }) => contrast === 0.4 && size > 8),
    share(flags.subarray(0, tested)),
    share(flags.subarray(tested)),
    seconds.toFixed(0),
    megabytes.toFixed(0),
  ];
  console.log(`| ${[name, ...cells].join(' | ')} |`);
}
