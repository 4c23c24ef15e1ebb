import { createImageAttribution, createWindowAttribution, regionsOf } from '../../src/scoring/attribution';

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

  test('what the pixels of a region add is summed, over colours too; the value that stands for it is their mean', () => {
    const attribution = createImageAttribution({ width: 2, height: 1, colour: 'rgb' });
    const perValue = Float32Array.of(1, 2, 3, 10, 20, 30, 4, 5, 6, 40, 50, 60);
    expect([...attribution.sum(perValue, 2)]).toEqual([6, 60, 15, 150]);
    expect([...attribution.represent(perValue, 2)]).toEqual([2, 20, 5, 50]);
  });
});

test('of a window the newest record counts in full, and of the others the worst is left out', () => {
  const attribution = createWindowAttribution({ length: 3, channels: 2, conditions: 0 });
  const perValue = Float32Array.of(1, 10, 7, 20, 2, 30);
  expect([...attribution.sum(perValue, 1)]).toEqual([1 + 2, 10 + 30]);
  expect([...attribution.represent(perValue, 1)]).toEqual([2, 30]);
});
