/**
 * Draws docs/models.png: reconstructions of known digits (1, 4, 7, 9) and of others by each model, and generated images.
 *
 *     npm run build && npm run digits && node scripts/models-picture.mjs
 *
 * It trains the five models on config/digits with dense layers, which takes one or two minutes.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';

const require = createRequire(import.meta.url);
const { decodeModel } = require('../dist/scoring/bundle');
const { createRandom, openBackend, tf } = require('../dist/tensor');

const kinds = ['vae', 'beta-vae', 'aae', 'cvae', 'hvae'];
const shown = [1, 4, 7, 9, 0, 2, 5, 8];
const samples = 8;
const side = 28;
const scale = 2;
const cell = side * scale + 2;
const [labelWidth, headHeight, groupGap] = [84, 24, 16];

/** An image that is not in the training data: the last one of the digit in the package. */
function lastImage(digit) {
  const { data } = JSON.parse(readFileSync(require.resolve(`mnist/src/digits/${digit}.json`), 'utf8'));
  return data.slice(-(side ** 2));
}

function trainModel(kind, store) {
  const set = {
    'store.path': store,
    'model.kind': kind,
    'model.network': 'mlp',
    'model.hidden': '256,64',
    'model.likelihood': 'auto',
    'training.epochs': '30',
    ...(kind === 'hvae' ? { 'model.levels': '4,8' } : {}),
    ...(kind === 'beta-vae' ? { 'model.beta': '0.5' } : {}),
  };
  const args = Object.entries(set).map(([key, value]) => `--set=${key}=${value}`);
  execFileSync(process.execPath, ['dist/main.js', 'train', 'config/digits', ...args], { stdio: 'ignore' });
  const folder = join(store, 'digits', 'versions');
  const version = readdirSync(folder).find((name) => /\d{8}T/.test(name));
  const files = readdirSync(join(folder, version)).map((name) => [
    name,
    readFileSync(join(folder, version, name)),
  ]);
  return decodeModel(version, new Map(files)).model;
}

const scratch = mkdtempSync(join(tmpdir(), 'vaemon-picture-'));
await openBackend();
const originals = shown.map(lastImage);
const x = tf.tensor2d(originals);
const rows = [{ label: 'given', images: originals, drawn: [] }];
for (const kind of kinds) {
  const model = trainModel(kind, join(scratch, kind));
  const split = (tensor) => tensor.arraySync();
  rows.push({
    label: kind,
    images: split(model.assess({ x, mask: tf.onesLike(x), c: undefined }).expected),
    drawn: split(model.generate(samples, undefined, createRandom(1), 1)),
  });
}
rmSync(scratch, { recursive: true });

const tiles = rows.flatMap(({ images, drawn }, row) =>
  [...images, ...drawn].map((image, column) => ({
    image,
    left: labelWidth + column * cell + (column >= shown.length ? groupGap : 0),
    top: headHeight + row * cell,
  })),
);
const width = labelWidth + (shown.length + samples) * cell + groupGap;
const height = headHeight + rows.length * cell;
const text = (left, top, words) =>
  `<text x="${left}" y="${top}" font-family="sans-serif" font-size="14" fill="#222">${words}</text>`;
const labels = [
  text(labelWidth, 16, 'reconstructed: four digits it knows, four it does not'),
  text(labelWidth + shown.length * cell + groupGap, 16, 'drawn'),
  ...rows.map(({ label }, row) => text(6, headHeight + row * cell + cell / 2 + 5, label)),
];
const composed = await Promise.all(
  tiles.map(async ({ image, left, top }) => ({
    input: await sharp(
      Uint8Array.from(image, (v) => Math.round(255 * Math.min(1, Math.max(0, v)))),
      {
        raw: { width: side, height: side, channels: 1 },
      },
    )
      .resize(side * scale, side * scale, { kernel: 'nearest' })
      .png()
      .toBuffer(),
    left,
    top,
  })),
);
const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${labels.join('')}</svg>`;
const picture = await sharp({ create: { width, height, channels: 3, background: '#ffffff' } })
  .composite([...composed, { input: Buffer.from(svg), left: 0, top: 0 }])
  .png({ palette: true })
  .toBuffer();
writeFileSync('docs/models.png', picture);
