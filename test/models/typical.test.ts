import { findCoreset } from '../../src/models/typical';
import { createRandom } from '../../src/tensor';
import { openTestBackend } from '../backend';

beforeAll(() => openTestBackend('cpu'));

/** Many vectors around one place, and a few at three others. */
const dim = 60;
const places = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, -5, 9];
const random = createRandom(3);
const vectors = Float32Array.from(
  { length: 280 * dim },
  (_, i) => places[Math.floor(i / dim) % places.length]! + 0.1 * random.uniform(),
);

/** The places that have a chosen vector. */
const placesOf = (columns: Float32Array, size: number): Set<number> =>
  new Set(Array.from({ length: size }, (_, i) => Math.floor(columns[i]!)));

test('a coreset has a vector of each place, however few are there', () => {
  const size = 4;
  const coreset = findCoreset(vectors, dim, size, createRandom(1));
  expect(coreset).toHaveLength(dim * size);
  expect(placesOf(coreset, size)).toEqual(new Set([0, 5, -5, 9]));
});

test('its vectors are among those that are given, and are the same for the same seed', () => {
  const [one, again] = [1, 1].map((seed) => findCoreset(vectors, dim, 9, createRandom(seed)));
  expect(one).toEqual(again);
  const given = new Set(vectors.filter((_, i) => i % dim === 0));
  expect(one!.slice(0, 9).every((value) => given.has(value))).toBe(true);
});

test('a coreset larger than what is given repeats vectors', () => {
  const coreset = findCoreset(vectors.subarray(0, 2 * dim), dim, 5, createRandom(1));
  expect(new Set(coreset.slice(0, 5)).size).toBe(2);
});

test('a coreset of some columns is that of vectors that have no others', () => {
  const columns = { from: 7, size: 20 };
  const count = vectors.length / dim;
  const narrow = Float32Array.from(
    { length: count * columns.size },
    (_, i) => vectors[Math.floor(i / columns.size) * dim + columns.from + (i % columns.size)]!,
  );
  expect(findCoreset(vectors, dim, 9, createRandom(1), columns)).toEqual(
    findCoreset(narrow, columns.size, 9, createRandom(1)),
  );
});
