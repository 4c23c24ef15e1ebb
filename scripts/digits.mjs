/**
 * Handwritten digits as image records, for config/digits: PNG in base64 within JSON, a line each. The first ones are 1, 4, 7
 * and 9 alone; behind them come the same four, held back, and now and then a run of a digit that was never seen before.
 *
 *     npm run digits [FOLDER]     writes digits.ndjson and labels.csv, by default to var/digits
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import sharp from 'sharp';

const known = [1, 4, 7, 9];
const strange = [0, 2, 3, 5, 6, 8];
/** Images of known digits before the first strange one. */
const historyImages = 2400;
/** Runs of each strange digit, how long they are, and how many known ones lie between two of them. */
const [runs, runLength, pause] = [2, 20, 50];
const intervalMs = 10_000;
const start = Date.UTC(2026, 0, 1);
const side = 28;

const require = createRequire(import.meta.url);

/** All images of a digit: 28 × 28 bytes each. The package has them as fractions. */
function readDigit(digit) {
  const { data } = JSON.parse(readFileSync(require.resolve(`mnist/src/digits/${digit}.json`), 'utf8'));
  const bytes = Uint8Array.from(data, (share) => Math.round(share * 255));
  return Array.from({ length: bytes.length / side ** 2 }, (_, i) => ({
    digit,
    pixels: bytes.subarray(i * side ** 2, (i + 1) * side ** 2),
  }));
}

/** The known digits in turns, as many as there are of each. */
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
