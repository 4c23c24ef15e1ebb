import { createRandom } from '../../src/tensor';
import { createGrowingRows } from '../../src/training/growing-rows';

test.each([
  ['bytes of small images', 3, true],
  ['bytes of images that are larger than a part', 20_000_000, true],
  ['numbers', 2, false],
])('%s are those that were pushed and kept, in order', (_, width, pixels) => {
  const rows = createGrowingRows(width, pixels);
  const random = createRandom(1);
  let kept: number[] = [];
  const steps = width > 1000 ? 6 : 2000;
  const from = pixels ? new Uint8Array(2 * width) : new Float64Array(2 * width);
  for (let step = 0; step < steps; step++) {
    const value = step % 251;
    from.fill(value, width);
    rows.push(from, 1);
    kept.push(value);
    if (random.uniform() < 0.01 || step === 3) {
      kept = kept.slice(0, Math.floor(kept.length / 2));
      rows.truncate(kept.length);
    }
  }
  const into = pixels ? new Uint8Array(kept.length * width) : new Float64Array(kept.length * width);
  kept.forEach((__, row) => rows.take(row, into, row * width));
  expect(kept.map((__, row) => [into[row * width], into[(row + 1) * width - 1]])).toEqual(
    kept.map((value) => [value, value]),
  );
});

test('images of 8 megapixels are in memory once while they are taken', () => {
  const [width, count, megabyte] = [8_000_000, 30, 1e6];
  const rows = createGrowingRows(width, true);
  const image = new Uint8Array(width).fill(7);
  for (let i = 0; i < count; i++) rows.push(image, 0);
  const before = process.memoryUsage.rss() / megabyte;
  const all = new Uint8Array(count * width);
  for (let i = 0; i < count; i++) rows.take(i, all, i * width);
  // All of them have 240 MB.
  expect(process.memoryUsage.rss() / megabyte - before).toBeLessThan(80);
  expect(all.at(-1)).toBe(7);
});
