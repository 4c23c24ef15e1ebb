/**
 * Makes photographs of a cast surface, good and bad ones, and draws docs/images.png of two bad ones and a good one with their heat maps.
 *
 *     node scripts/images-picture.mjs FOLDER             writes good/, bad/ and surface.yaml into FOLDER
 *     node scripts/images-picture.mjs FOLDER --picture   after `npm run build`: trains on good/, and draws docs/images.png as well
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

const defects = {
  scratch: (x, y, value) => (Math.abs(x - 40 - y / 2) < 1.2 && y > 30 && y < 90 ? value - 60 : value),
  hole: (x, y, value) => (Math.hypot(x - 86, y - 44) < 8 ? value - 70 : value),
};

const png = (values) =>
  sharp(
    Uint8Array.from(values, (value) => Math.max(0, Math.min(255, Math.round(value)))),
    {
      raw: { width: side, height: side, channels: 1 },
    },
  )
    .toColourspace('b-w')
    .png()
    .toBuffer();

for (const name of ['good', 'bad']) mkdirSync(join(folder, name), { recursive: true });
for (let i = 0; i < good; i++)
  writeFileSync(join(folder, 'good', `${String(i).padStart(3, '0')}.png`), await png(surface()));
const bad = [];
for (const [name, change] of Object.entries(defects)) {
  const image = await png(surface().map((value, i) => change(i % side, Math.floor(i / side), value)));
  bad.push(image);
  writeFileSync(join(folder, 'bad', `${bad.length}-${name}.png`), image);
}
writeFileSync(
  join(folder, 'surface.yaml'),
  `detector: surface
preset: image
record: { kind: image, image: { width: ${side}, height: ${side} } }
source: { kind: file, file: { path: ${join(folder, 'good')}, historyRecords: ${good} } }
`,
);

if (mode === '--picture') {
  const vaemon = (...argv) =>
    execFileSync(process.execPath, [join(root, 'dist/main.js'), ...argv], {
      env: { ...process.env, VAEMON_STORE_PATH: join(folder, 'models') },
      encoding: 'utf8',
    });
  const config = join(folder, 'surface.yaml');
  vaemon('train', config);
  const [gap, scale] = [8, 2];
  const tiles = [];
  const shown = [...bad, readFileSync(join(folder, 'good/000.png'))];
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
