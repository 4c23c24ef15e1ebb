import { paintHeat, paintHeatMap } from '../../src/scoring/heat-map';

describe('paintHeatMap', () => {
  test('without heat it is the image in dark grey', () => {
    const bytes = paintHeatMap([0, 0.5, 1, 2], [0, -1, 0, 0], { width: 2, height: 2, colours: 1 });
    expect(Array.from(bytes)).toEqual([0, 0, 0, 51, 51, 51, 102, 102, 102, 102, 102, 102]);
  });

  test('with more heat it goes from grey over red to yellow', () => {
    const black = new Array<number>(12).fill(0);
    const bytes = paintHeatMap(black, [0, 2, 4, 4], { width: 4, height: 1, colours: 3 });
    expect(Array.from(bytes)).toEqual([0, 0, 0, 128, 0, 0, 255, 255, 0, 255, 255, 0]);
  });

  test('usual heat stays dark, and a box is outlined', () => {
    const shape = { width: 4, height: 3, colours: 1 };
    const heat = Array.from({ length: 12 }, (_, i) => i / 11);
    const bytes = paintHeatMap(new Array<number>(12).fill(0), heat, shape, 10, [
      { x: 0, y: 0, width: 3, height: 3 },
    ]);
    const red = Array.from({ length: 12 }, (_, i) => bytes[3 * i]!);
    expect(red.filter((value) => value === 255)).toHaveLength(8);
    // The middle of the box, and what is beside it.
    for (const i of [5, 3, 7, 11]) expect(red[i]).toBeLessThan(8);
  });

  test('values of another image size are refused with both numbers', () => {
    expect(() => paintHeatMap([0], [0], { width: 2, height: 2, colours: 1 })).toThrow(
      'an image of 2 × 2 × 1 has 4 values and 4 of heat, got 1 and 1',
    );
  });
});

test('what every second normal image reaches is dark, what one in a hundred reaches is yellow', () => {
  const image = { width: 4, height: 1, colour: 'grey' } as const;
  const heat = { ofPixels: Float32Array.of(1, 1.2, 1.35, 1.5), low: 1.2, high: 1.5, regions: [] };
  const { pixels } = paintHeat(new Uint8Array(4), image, heat);
  const colours = [0, 1, 2, 3].map((pixel) => [...pixels.subarray(3 * pixel, 3 * pixel + 3)]);
  expect(colours.slice(0, 2)).toEqual([
    [0, 0, 0],
    [0, 0, 0],
  ]);
  expect(colours[2]![0]).toBeGreaterThan(100);
  expect(colours[3]).toEqual([255, 255, 0]);
});
