/**
 * Makes photographs of a cast surface, good ones and others that have to be checked, some of which are bad, for docs/images.md; and
 * draws its pictures: bad and good ones with their heat maps, and the share found against false alarms.
 *
 *     node scripts/images-picture.mjs FOLDER             writes good/, bad/, parts/ and surface.yaml into FOLDER
 *     node scripts/images-picture.mjs FOLDER --picture   after `npm run build`: docs/images.png and docs/images-found.svg as well
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const [folder, mode] = process.argv.slice(2);
const side = 128;
const good = 120;
/** Pictures to check, every sixth of which is bad. */
const checked = 30;

/** A generator of numbers in [0, 1) (mulberry32). */
let state = 1;
function uniform() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());

/** Noise of deviation 1, smooth over so many pixels. */
function noise(radius) {
  let values = Float64Array.from({ length: side * side }, normal);
  for (const step of [1, side, 1, side])
    values = values.map((_, i) => {
      const at = step === 1 ? i % side : Math.floor(i / side);
      let sum = 0;
      for (let d = -radius; d <= radius; d++) sum += values[i + (((at + d + side) % side) - at) * step];
      return sum;
    });
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
  return values.map((value) => value / deviation);
}

function surface() {
  const [coarse, middle, grain] = [noise(12), noise(3), noise(0)];
  const light = 110 + 30 * uniform();
  return coarse.map((value, i) => light + 10 * value + 8 * middle[i] + 6 * grain[i]);
}

/** Scratches and holes by so many grey levels darker than the surface, whose own deviation is about 14. */
const defects = {
  scratch: (dark) => {
    const [left, slope] = [20 + 40 * uniform(), uniform() - 0.5];
    return (x, y, value) => (Math.abs(x - left - slope * y) < 1.2 && y > 30 && y < 90 ? value - dark : value);
  },
  hole: (dark) => {
    const [left, top] = [20 + 88 * uniform(), 20 + 88 * uniform()];
    return (x, y, value) => (Math.hypot(x - left, y - top) < 8 ? value - dark : value);
  },
};
const kinds = Object.keys(defects);

function broken(kind, dark) {
  const change = defects[kind](dark);
  return surface().map((value, i) => change(i % side, Math.floor(i / side), value));
}

const bytesOf = (values) => Uint8Array.from(values, (value) => Math.max(0, Math.min(255, Math.round(value))));
const png = (values) =>
  sharp(bytesOf(values), { raw: { width: side, height: side, channels: 1 } })
    .toColourspace('b-w')
    .png()
    .toBuffer();
const nameOf = (i) => `${String(i).padStart(4, '0')}.png`;

for (const name of ['good', 'bad', 'parts']) mkdirSync(join(folder, name), { recursive: true });
const first = [];
for (let i = 0; i < good; i++) {
  first.push(await png(surface()));
  writeFileSync(join(folder, 'good', nameOf(i)), first[i]);
}
const bad = [];
for (const kind of kinds) {
  const image = await png(broken(kind, 65));
  bad.push(image);
  writeFileSync(join(folder, 'bad', `${bad.length}-${kind}.png`), image);
}
// What the detector reads: the good ones, which it learns from, and then those that it checks.
first.forEach((image, i) => writeFileSync(join(folder, 'parts', nameOf(i)), image));
for (let i = 0; i < checked; i++) {
  const image = i % 6 === 5 ? broken(kinds[i % 2], 65) : surface();
  writeFileSync(join(folder, 'parts', nameOf(good + i)), await png(image));
}
writeFileSync(
  join(folder, 'surface.yaml'),
  `detector: surface
preset: image
record: { kind: image, image: { width: ${side}, height: ${side} } }
source: { kind: file, file: { path: ${join(folder, 'parts')}, historyRecords: ${good} } }
`,
);

function vaemon(...argv) {
  return execFileSync(process.execPath, [join(root, 'dist/main.js'), ...argv], {
    env: { ...process.env, VAEMON_STORE_PATH: join(folder, 'models') },
    encoding: 'utf8',
  });
}

/** Two bad pictures and a good one above their heat maps. */
async function drawHeatMaps() {
  const config = join(folder, 'surface.yaml');
  vaemon('train', config);
  const [gap, scale] = [8, 2];
  const tiles = [];
  const shown = [...bad, first[0]];
  mkdirSync(join(folder, 'shown'), { recursive: true });
  for (const [i, image] of shown.entries()) {
    writeFileSync(join(folder, 'shown', `${i}.png`), image);
    const map = join(folder, `heat-${i}.png`);
    vaemon('explain', config, join(folder, 'shown'), '-i', '0', '--heat-map', map);
    rmSync(join(folder, 'shown', `${i}.png`));
    for (const [row, input] of [image, map].entries())
      tiles.push({
        input: await sharp(input)
          .resize(scale * side, scale * side, { kernel: 'nearest' })
          .png()
          .toBuffer(),
        left: gap + i * (scale * side + gap),
        top: gap + row * (scale * side + gap),
      });
  }
  const size = (count) => count * (scale * side + gap) + gap;
  await sharp({ create: { width: size(shown.length), height: size(2), channels: 3, background: 'white' } })
    .composite(tiles)
    .png({ palette: true })
    .toFile(join(root, 'docs/images.png'));
}

/** Of each darkness as many bad pictures, and of good ones. */
const tested = 100;
const darkness = [30, 20, 12];

/** The share of bad pictures that are found, for each share of good ones that alarm. */
function drawFound() {
  const idx = (images) => {
    const header = Buffer.alloc(16);
    [0x803, images.length, side, side].forEach((value, i) => header.writeUInt32BE(value, 4 * i));
    return Buffer.concat([header, ...images.map(bytesOf)]);
  };
  const many = (count, draw) => Array.from({ length: count }, (_, i) => draw(i));
  writeFileSync(join(folder, 'surface.train.idx3'), idx(many(good, surface)));
  const parts = [
    ...many(tested, surface),
    ...darkness.flatMap((dark) => many(tested, (i) => broken(kinds[i % 2], dark))),
  ];
  writeFileSync(join(folder, 'surface.test.idx3'), idx(parts));
  const scores = join(folder, 'scores.csv');
  const files = ['--train', folder, '--test', folder, '--out', scores];
  vaemon('evaluate', join(root, 'config/evaluate/image.yaml'), ...files);
  const rows = readFileSync(scores, 'utf8').trim().split('\n').slice(1);
  const surprises = rows.map((row) => Number(row.split(',')[2]));
  const flags = rows.map((row) => Number(row.split(',')[3]));
  const usual = surprises.slice(0, tested).sort((a, b) => b - a);
  const [left, top, width, height] = [60, 20, 480, 280];
  const mostAlarms = 20;
  const at = (alarms, found) =>
    `${(left + (width * alarms) / mostAlarms).toFixed(1)},${(top + height * (1 - found / 100)).toFixed(1)}`;
  const share = (values) => (100 * values.reduce((sum, value) => sum + value, 0)) / values.length;
  const falseAlarms = share(flags.slice(0, tested));
  const lines = darkness.map((dark, k) => {
    const own = surprises.slice((k + 1) * tested, (k + 2) * tested);
    const points = [];
    for (let alarms = 0; alarms <= mostAlarms; alarms++) {
      const limit = usual[Math.floor((alarms * tested) / 100)];
      points.push(at(alarms, share(own.map((surprise) => (surprise > limit ? 1 : 0)))));
    }
    const found = share(flags.slice((k + 1) * tested, (k + 2) * tested));
    console.log(`${dark} darker: ${found} % found at ${falseAlarms} % false alarms`);
    const [x, y] = at(falseAlarms, found).split(',');
    const colour = ['#1b6ca8', '#c2571a', '#6b6b6b'][k];
    const [endX, endY] = points.at(-1).split(',').map(Number);
    return `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>
<circle cx="${x}" cy="${y}" r="5" fill="${colour}"/>
<text x="${endX + 8}" y="${endY + 4}" fill="${colour}">${dark} darker</text>`;
  });
  const ticks = [0, 5, 10, 15, 20].map((alarms) => {
    const [x] = at(alarms, 0).split(',');
    return `<text x="${x}" y="${top + height + 20}" text-anchor="middle">${alarms} %</text>`;
  });
  const levels = [0, 25, 50, 75, 100].map((found) => {
    const [, y] = at(0, found).split(',');
    return `<line x1="${left}" x2="${left + width}" y1="${y}" y2="${y}" stroke="#ddd"/>
<text x="${left - 8}" y="${Number(y) + 4}" text-anchor="end">${found} %</text>`;
  });
  writeFileSync(
    join(root, 'docs/images-found.svg'),
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 350" font-family="sans-serif" font-size="13" fill="#333">
<rect width="640" height="350" fill="white"/>
${[...levels, ...ticks, ...lines].join('\n')}
<text x="${left + width / 2}" y="${top + height + 42}" text-anchor="middle">good pictures that alarm</text>
<text x="${left}" y="12" text-anchor="start">bad pictures found</text>
</svg>
`,
  );
}

if (mode === '--picture') {
  await drawHeatMaps();
  drawFound();
}
