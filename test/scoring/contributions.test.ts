import type { Values } from '../../src/domain/record';
import { createImageMap, createWindowMap, regionsOf, type ChannelMap } from '../../src/scoring/contributions';
import { createRandom, scoped, tf } from '../../src/tensor';
import { openTestBackend } from '../backend';

beforeAll(async () => {
  await openTestBackend('cpu');
});

/** The result for rows of values, as plain numbers. */
function read(rows: number[][], compute: (values: tf.Tensor2D) => tf.Tensor2D): number[] {
  return scoped(() => Array.from(compute(tf.tensor2d(rows)).dataSync()));
}

/** Of the second of two equal windows, after one place that must stay as it is. */
function actualOf(map: ChannelMap, values: Values): number[] {
  const into = new Float64Array(map.channels + 1);
  const twice =
    values instanceof Uint8Array ? new Uint8Array(2 * values.length) : new Float64Array(2 * values.length);
  twice.set(values, values.length);
  map.writeActual(twice, values.length, into, 1);
  expect(into[0]).toBe(0);
  return [...into.subarray(1)];
}

describe('regions of an image', () => {
  test.each([
    [28, 28, 16],
    [5, 7, 16],
    [3, 2, 6],
    [1, 1, 1],
    [4096, 3, 12],
  ])('%i × %i pixels: each is in the one region that names it', (width, height, count) => {
    const { regions, regionOfPixel } = regionsOf({ width, height });
    expect(regions).toHaveLength(count);
    expect(new Set(regions.map(({ name }) => name)).size).toBe(count);
    expect(regions.reduce((sum, { pixels }) => sum + pixels, 0)).toBe(width * height);
    regions.forEach(({ name, pixels }, region) => {
      const bounds = /^x (\d+)-(\d+), y (\d+)-(\d+)$/.exec(name)!.slice(1).map(Number);
      const [left, right, top, bottom] = bounds as [number, number, number, number];
      expect(pixels).toBe((right - left + 1) * (bottom - top + 1));
      for (const [x, y] of [
        [left, top],
        [right, bottom],
      ] as const)
        expect(regionOfPixel[y * width + x]).toBe(region);
    });
  });

  test('pixels and colours of a region are summed; its value is their mean', () => {
    const map = createImageMap({ width: 2, height: 1, colour: 'rgb' });
    const perValue = [
      [1, 2, 3, 10, 20, 30],
      [4, 5, 6, 40, 50, 60],
    ];
    expect(read(perValue, (values) => map.sum(values))).toEqual([6, 60, 15, 150]);
    expect(read(perValue, (values) => map.represent(values))).toEqual([2, 20, 5, 50]);
    expect(actualOf(map, Uint8Array.from(perValue[1]!))).toEqual([5, 50]);
  });

  test('each pixel counts for its region if the grid does not divide the image evenly', () => {
    const image = { width: 7, height: 5, colour: 'grey' } as const;
    const map = createImageMap(image);
    const random = createRandom(1);
    const pixels = Array.from({ length: 35 }, () => random.uniform());
    const expected = new Array<number>(map.channels).fill(0);
    const { regionOfPixel } = regionsOf(image);
    pixels.forEach((value, i) => (expected[regionOfPixel[i]!]! += value));
    read([pixels], (values) => map.sum(values)).forEach((sum, region) =>
      expect(sum).toBeCloseTo(expected[region]!, 5),
    );
  });
});

describe('channels of a window', () => {
  const map = createWindowMap({ length: 3, channels: 2 });

  test('the newest record counts in full, and of the others the worst is left out', () => {
    const perValue = [[1, 10, 7, 20, 2, 30]];
    expect(read(perValue, (values) => map.sum(values))).toEqual([1 + 2, 10 + 30]);
    expect(read(perValue, (values) => map.represent(values))).toEqual([2, 30]);
    expect(actualOf(map, Float64Array.from(perValue[0]!))).toEqual([2, 30]);
  });

  test('many channels are summed as few are', () => {
    const [length, channels] = [5, 24];
    const random = createRandom(2);
    const whole = (): number => Math.floor(100 * random.uniform());
    const windows = [0, 1, 2].map(() =>
      Array.from({ length }, () => Array.from({ length: channels }, whole)),
    );
    const wide = createWindowMap({ length, channels });
    const expected = windows.flatMap((records) =>
      records[0]!.map((_, channel) => {
        const values = records.map((record) => record[channel]!);
        return values.reduce((sum, value) => sum + value) - Math.max(...values.slice(0, -1));
      }),
    );
    expect(
      read(
        windows.map((records) => records.flat()),
        (values) => wide.sum(values),
      ),
    ).toEqual(expected);
  });

  test('a window of one record is that record', () => {
    const single = createWindowMap({ length: 1, channels: 2 });
    expect(read([[3, 4]], (values) => single.sum(values))).toEqual([3, 4]);
  });

  test('the mean error covers seen values only, and is 0 without any', () => {
    const x = [[1, 0, 2, 0, 6, 9]];
    const mean = read(x, (values) =>
      map.meanError({ x: values, mask: tf.tensor2d([[1, 0, 1, 0, 1, 0]]), c: undefined }, tf.zeros([1, 6])),
    );
    expect(mean).toEqual([3, 0]);
  });
});
