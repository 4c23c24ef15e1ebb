/**
 * Writes handwritten digits as image records for config/digits: one JSON object per line with a PNG in base64. The first
 * images are only 1, 4, 7 and 9. The later ones are other images of these four, and runs of the other digits.
 *
 *     npm run digits [FOLDER]     writes digits.ndjson and labels.csv, by default to var/digits
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import sharp from 'sharp';

const known = [1, 4, 7, 9];
const strange = [0, 2, 3, 5, 6, 8];
/** Number of images before the first unknown digit. */
const historyImages = 2400;
/** Runs of each unknown digit, their length, and the number of known digits between two runs. */
const [runs, runLength, pause] = [2, 20, 50];
const intervalMs = 10_000;
const start = Date.UTC(2026, 0, 1);
const side = 28;

const require = createRequire(import.meta.url);

/** All images of a digit, 28 × 28 bytes each. The package stores fractions. */
function readDigit(digit) {
  const { data } = JSON.parse(readFileSync(require.resolve(`mnist/src/digits/${digit}.json`), 'utf8'));
  const bytes = Uint8Array.from(data, (share) => Math.round(share * 255));
  return Array.from({ length: bytes.length / side ** 2 }, (_, i) => ({
    digit,
    pixels: bytes.subarray(i * side ** 2, (i + 1) * side ** 2),
  }));
}

/** The known digits alternately, until one of them has no more images. */
function* takeTurns() {
  const lists = known.map(readDigit);
  for (let i = 0; i < Math.min(...lists.map(({ length }) => length)); i++)
    for (const list of lists) yield list[i];
}

const normal = [...takeTurns()];
const history = normal.slice(0, historyImages);
const images = [...history];
const labels = ['start,end,kind,channels'];
const strangeImages = strange.map(readDigit);
for (let run = 0; run < strange.length * runs; run++) {
  const from = history.length + run * pause;
  images.push(...normal.slice(from, from + pause));
  const time = (i) => new Date(start + i * intervalMs).toISOString();
  labels.push(
    `${time(images.length)},${time(images.length + runLength - 1)},digit ${strange[run % strange.length]},`,
  );
  const nth = Math.floor(run / strange.length);
  images.push(...strangeImages[run % strange.length].slice(nth * runLength, (nth + 1) * runLength));
}

const lines = await Promise.all(
  images.map(async ({ digit, pixels }, i) => {
    const png = await sharp(pixels, { raw: { width: side, height: side, channels: 1 } })
      .toColourspace('b-w')
      .png()
      .toBuffer();
    const timestamp = new Date(start + i * intervalMs).toISOString();
    return JSON.stringify({ key: 'scanner-1', timestamp, image: png.toString('base64'), digit });
  }),
);
const folder = process.argv[2] ?? 'var/digits';
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'digits.ndjson'), `${lines.join('\n')}\n`);
writeFileSync(join(folder, 'labels.csv'), `${labels.join('\n')}\n`);
console.log(
  `${folder}: ${history.length} images of ${known.join(', ')}, then ${images.length - history.length} with other digits among them`,
);
