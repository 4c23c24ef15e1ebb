/** Where an image is odd: regions of maps with known defects. */
import type { Box, ImageShape } from '../../src/domain/image';
import { describeRegions, isInside } from '../../src/scoring/odd-regions';
import { deviancesOfCells } from '../../src/scoring/map-cells';
import { createOddness, fitOddness } from '../../src/scoring/oddness';
import { createRandom } from '../../src/tensor';

const random = createRandom(1);

/** Deviance of a normal image: χ², twice as large in the lower half, and in boxes as much more as is given. */
function devianceOf(
  { width, height, colour }: ImageShape,
  boxes: readonly [Box, number][] = [],
): Float32Array {
  const colours = colour === 'grey' ? 1 : 3;
  return Float32Array.from({ length: width * height * colours }, (_, i) => {
    const [x, y] = [Math.floor(i / colours) % width, Math.floor(i / colours / width)];
    const usual = (y < height / 2 ? 1 : 2) * random.normal() ** 2;
    return boxes.reduce(
      (sum, [box, more]) =>
        x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + box.height ? sum + more : sum,
      usual,
    );
  });
}

const overlap = (a: Box, b: Box): number => {
  const common = (from: 'x' | 'y', size: 'width' | 'height'): number =>
    Math.max(0, Math.min(a[from] + a[size], b[from] + b[size]) - Math.max(a[from], b[from]));
  const shared = common('x', 'width') * common('y', 'height');
  return shared / (a.width * a.height + b.width * b.height - shared);
};

const small = { width: 28, height: 28, colour: 'grey' } as const;
const large = { width: 120, height: 72, colour: 'rgb' } as const;

/** The map of an image with that deviance. */
const cellsOf = (image: ImageShape, boxes: readonly [Box, number][] = []): Float64Array =>
  deviancesOfCells(image, devianceOf(image, boxes));

function learn(image: ImageShape, count = 60) {
  return createOddness(image, fitOddness(Array.from({ length: count }, () => cellsOf(image))));
}

describe.each([
  ['small', small, { x: 4, y: 6, width: 6, height: 5 }, { x: 19, y: 20, width: 6, height: 6 }],
  ['large', large, { x: 12, y: 6, width: 24, height: 20 }, { x: 84, y: 42, width: 24, height: 24 }],
] as const)('a %s image', (_, image, first, second) => {
  const oddness = learn(image);

  test('a defect is boxed, and a second one beside it', () => {
    for (let i = 0; i < 5; i++) {
      const [one, ...others] = oddness.regions(oddness.map(cellsOf(image, [[first, 30]])));
      expect(overlap(one!.box, first)).toBeGreaterThan(0.5);
      expect(one!.surprise).toBeGreaterThan(2);
      // One normal image in a hundred has a surprise of 2 somewhere.
      for (const { surprise } of others) expect(surprise).toBeLessThan(3);
      const both = oddness.regions(
        oddness.map(
          cellsOf(image, [
            [first, 30],
            [second, 100],
          ]),
        ),
      );
      // The lower half has twice the deviance, so that 100 more are less than fourfold there.
      expect(overlap(both[0]!.box, second)).toBeGreaterThan(0.5);
      expect(overlap(both[1]!.box, first)).toBeGreaterThan(0.5);
    }
  });

  test('a normal image has one region, which is not surprising, within the image', () => {
    const surprises = Array.from({ length: 30 }, () => {
      const regions = oddness.regions(oddness.map(cellsOf(image)));
      for (const { box } of regions) {
        expect(box.x).toBeGreaterThanOrEqual(0);
        expect(box.x + box.width).toBeLessThanOrEqual(image.width);
        expect(box.y + box.height).toBeLessThanOrEqual(image.height);
      }
      return regions[0]!.surprise;
    });
    expect(surprises.filter((surprise) => surprise > 2).length).toBeLessThan(5);
  });

  test('heat is that of the map between the centres of its cells, and largest in the defect', () => {
    const map = oddness.map(cellsOf(image, [[first, 100]]));
    const { ofPixels: heat, high } = oddness.heat(map);
    expect(heat).toHaveLength(image.width * image.height);
    const hottest = heat.indexOf(heat.reduce((most, value) => Math.max(most, value), 0));
    const [x, y] = [hottest % image.width, Math.floor(hottest / image.width)];
    expect(x >= first.x && x < first.x + first.width).toBe(true);
    expect(y >= first.y && y < first.y + first.height).toBe(true);
    expect(Math.max(...heat)).toBeLessThanOrEqual(Math.max(...map.cells) * 1.0001);
    expect(Math.max(...heat)).toBeGreaterThan(high!);
  });
});

test('at most eight regions, the oddest first', () => {
  const oddness = learn(large);
  const boxes = Array.from({ length: 15 }, (_, i): [Box, number] => [
    { x: 24 * (i % 5) + 6, y: 24 * Math.floor(i / 5) + 6, width: 12, height: 12 },
    40 + 10 * i,
  ]);
  const regions = oddness.regions(oddness.map(cellsOf(large, boxes)));
  expect(regions).toHaveLength(8);
  expect(regions.map(({ surprise }) => surprise)).toEqual(
    regions.map(({ surprise }) => surprise).sort((a, b) => b - a),
  );
});

test('a version without a state boxes the largest deviance', () => {
  const oddness = createOddness(small, undefined);
  const defect = { x: 4, y: 6, width: 6, height: 5 };
  const map = oddness.map(cellsOf(small, [[defect, 50]]));
  const regions = oddness.regions(map);
  expect(regions).toHaveLength(1);
  expect(overlap(regions[0]!.box, defect)).toBeGreaterThan(0.5);
  expect(oddness.heat(map).high).toBeUndefined();
});

test('images without any deviance, and of a pixel, have a map', () => {
  for (const image of [small, { width: 1, height: 1, colour: 'rgb' } as const]) {
    const none = deviancesOfCells(image, new Float32Array(image.width * image.height * 3));
    const oddness = createOddness(image, fitOddness([none]));
    expect(oddness.regions(oddness.map(none))).toHaveLength(1);
    expect(oddness.heat(oddness.map(none)).ofPixels.every((value) => value === 0)).toBe(true);
    expect(createOddness(image, undefined).regions(oddness.map(none))).toHaveLength(1);
  }
});

test('a region has the nats, and the mean values, of its pixels in all colours', () => {
  const image = { width: 3, height: 2, colour: 'rgb' } as const;
  const regions = [{ box: { x: 1, y: 0, width: 2, height: 1 }, surprise: 400 }];
  const actual = Uint8Array.from({ length: 18 }, (_, i) => i);
  const scaler = { channels: 3, unscale: (value: number) => 255 * value };
  const values = {
    actual,
    expected: new Float32Array(18).fill(0.2),
    deviance: Float32Array.from({ length: 18 }, (_, i) => (i < 3 ? 100 : 1)),
  };
  expect(describeRegions(regions, image, values, scaler)).toEqual([
    {
      channel: 'x 1-2, y 0-0',
      region: regions[0]!.box,
      contribution: 6,
      surprise: 300,
      actual: 5.5,
      expected: expect.closeTo(51, 4) as number,
      repeats: 0,
    },
  ]);
  const inside = isInside(regions, image);
  expect(Array.from({ length: 18 }, (_, i) => i).filter(inside)).toEqual([3, 4, 5, 6, 7, 8]);
});
