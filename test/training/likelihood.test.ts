import { createRandom } from '../../src/tensor';
import { chooseLikelihood } from '../../src/training/likelihood';

const random = createRandom(1);
const pixels = (draw: () => number): Uint8Array => Uint8Array.from({ length: 10_000 }, draw);
const uniform = (from: number, to: number): number => from + (to - from) * random.uniform();

test.each([
  ['white on black', (): number => (random.uniform() < 0.15 ? 255 : 0), 'bernoulli'],
  ['black on white', (): number => (random.uniform() < 0.15 ? 0 : 255), 'bernoulli'],
  ['greys on black', (): number => (random.uniform() < 0.5 ? uniform(100, 255) : 0), 'bernoulli'],
  ['all greys alike', (): number => uniform(0, 255), 'gaussian'],
  ['a few greys', (): number => uniform(110, 150), 'gaussian'],
  ['a single grey', (): number => 110, 'gaussian'],
  ['nothing but black', (): number => 0, 'gaussian'],
  ['nothing but white', (): number => 255, 'gaussian'],
] as const)('%s', (_, draw, likelihood) => {
  expect(chooseLikelihood('auto', () => pixels(draw))).toBe(likelihood);
});

test('a configured likelihood is not changed', () => {
  expect(chooseLikelihood('student-t', () => pixels(() => 0))).toBe('student-t');
});
