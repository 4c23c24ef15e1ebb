/** Features of images: what gradients tell apart, and a model of them that reads and returns pixels. */
import { directions, gradientChannels, gradientGrid, gradientsOf } from '../../src/models/gradients';
import { chooseFeatures } from '../../src/models/features';
import { createGrid, gridOf } from '../../src/models/grid';
import { disposeModel, type Examples, type Model } from '../../src/models/model';
import { createModel } from '../../src/models/zoo';
import { createRandom, scoped, tf } from '../../src/tensor';
import { openTestBackend } from '../backend';
import { createSpec } from './spec';

beforeAll(async () => {
  await openTestBackend('cpu');
});
afterEach(() => expect(tf.memory().numTensors).toBe(0));

const side = 12;
const size = { height: side, width: side };

/** A bright right half. */
const edge = Array.from({ length: side * side }, (_, i) => (i % side >= side / 2 ? 1 : 0));
const mirrored = edge.map((_, i) => edge[i - (i % side) + side - 1 - (i % side)]!);

/** Of each cell: the shares of the directions, and the means of the colours. */
function featuresOf(image: readonly number[], colours = 1): { shares: number[]; levels: number[] }[] {
  const width = gradientChannels(colours);
  const values = scoped(() =>
    gradientsOf(tf.tensor2d([image as number[]], [1, image.length]), gradientGrid(size), colours)
      .dataSync<'float32'>()
      .slice(),
  );
  return Array.from({ length: values.length / width }, (_, cell) => {
    const own = Array.from(values.subarray(cell * width, (cell + 1) * width));
    return { shares: own.slice(0, directions), levels: own.slice(directions) };
  });
}

/** By direction, over all cells. */
const histogram = (features: ReturnType<typeof featuresOf>): number[] =>
  Array.from({ length: directions }, (_, k) => features.reduce((sum, { shares }) => sum + shares[k]!, 0));

test('an edge is found in the direction in which brightness rises, its mirror image in the opposite one', () => {
  const [right, left] = [histogram(featuresOf(edge)), histogram(featuresOf(mirrored))];
  expect(right.indexOf(Math.max(...right))).toBe(0);
  expect(left.indexOf(Math.max(...left))).toBe(directions / 2);
  expect(right[directions / 2]).toBeLessThan(0.01 * right[0]!);
});

test('only the cells at the edge have directions, and an image of one colour has none', () => {
  const features = featuresOf(edge.map((_, i) => (i % side >= 2 ? 1 : 0)));
  expect(Math.max(...features[0]!.shares)).toBeGreaterThan(0.5);
  expect(Math.max(...features[2]!.shares)).toBe(0);
  for (const { shares } of featuresOf(edge.map(() => 0.7))) expect(Math.max(...shares)).toBe(0);
});

test('colours that are equally bright differ in their means, and grey in three colours has the directions of grey', () => {
  const flat = (colour: readonly number[]): number[] => edge.flatMap(() => colour);
  const [red, blue] = [featuresOf(flat([0.9, 0, 0]), 3), featuresOf(flat([0, 0, 0.9]), 3)];
  expect(red[4]!.levels[0]).toBeCloseTo(0.45, 5);
  expect(red[4]!.levels[2]).toBe(0);
  expect(blue[4]!.levels[2]).toBeCloseTo(0.45, 5);
  const coloured = featuresOf(
    edge.flatMap((value) => [value, value, value]),
    3,
  );
  coloured.forEach(({ shares }, cell) =>
    shares.forEach((value, k) => expect(value).toBeCloseTo(featuresOf(edge)[cell]!.shares[k]!, 5)),
  );
});

test.each([
  [1, 1],
  [1, 9],
  [7, 3],
])('an image of %i × %i pixels has finite features', (height, width) => {
  scoped(() => {
    const grid = gradientGrid({ height, width });
    const x = createRandom(1).normalTensor([2, height * width]);
    const features = gradientsOf(x, grid, 1);
    expect(features.shape).toEqual([2, grid.down * grid.across * gradientChannels(1)]);
    expect(features.dataSync().every(Number.isFinite)).toBe(true);
  });
});

test('a grid has means of its cells, and distributes values over pixels without changing their sum', () => {
  scoped(() => {
    const grid = createGrid(gridOf({ height: 10, width: 7 }, 3));
    expect([grid.down, grid.across]).toEqual([3, 2]);
    const means = grid.mean(tf.ones([2, 4, 10, 7])).dataSync();
    expect(means).toHaveLength(2 * 3 * 2 * 4);
    means.forEach((value) => expect(value).toBeCloseTo(1, 5));
    const values = createRandom(3).normalTensor([2, 6]);
    const [before, after] = [values, grid.spread(values)].map((of) => tf.sum(of, 1).dataSync());
    after!.forEach((value, i) => expect(value).toBeCloseTo(before![i]!, 4));
    // The cell at the lower right ends with its pixel there, and not at the upper left.
    const corner = grid.spread(tf.tensor2d([[0, 0, 0, 0, 0, 1]])).dataSync();
    expect(corner[69]).toBeGreaterThan(0);
    expect(corner[0]).toBe(0);
  });
});

test.each([
  ['auto', { height: 64, width: 200 }, 'backbone'],
  ['auto', { height: 200, width: 63 }, 'gradients'],
  ['auto', undefined, 'pixels'],
  ['pixels', { height: 200, width: 200 }, 'pixels'],
  ['backbone', { height: 28, width: 28 }, 'backbone'],
] as const)('features %s of images of %j are %s', (features, of, chosen) => {
  expect(chooseFeatures(features, of)).toBe(chosen);
});

describe('a model of gradients', () => {
  const colours = 3;
  const spec = createSpec({
    kind: 'cvae',
    features: 'gradients',
    length: side * side,
    width: side,
    channels: colours,
  });
  const dim = side * side * colours;
  const withModel = (use: (model: Model, images: Examples) => void): void => {
    const model = createModel(spec, createRandom(1));
    scoped(() => {
      const random = createRandom(2);
      const x = tf.clipByValue(random.normalTensor([12, dim]), 0, 1);
      use(model, { x, mask: tf.ones([12, dim]), c: random.normalTensor([12, spec.conditionDim]) });
    });
    disposeModel(model);
  };
  const arraysOf = ({ x, mask, c }: Examples) => ({
    x: x.dataSync<'float32'>().slice(),
    mask: mask.dataSync<'float32'>().slice(),
    c: c!.dataSync<'float32'>().slice(),
    count: x.shape[0],
  });

  test('standardises the features of the images that it prepares with', () => {
    withModel((model, images) => {
      const before = model.assess(images).statistics['reconstruction']!.dataSync().slice();
      model.prepare!([arraysOf(images)], 12, createRandom(4));
      expect(model.assess(images).statistics['reconstruction']!.dataSync()).not.toEqual(before);
      const centre = model.weights.get('features/centre/bias')!.dataSync();
      expect(centre).toHaveLength(9 * gradientChannels(colours));
      expect(Math.max(...centre)).toBeGreaterThan(0);
    });
  });

  test('returns values of pixels, whose sum is the reconstruction of the features', () => {
    withModel((model, images) => {
      model.prepare!([arraysOf(images)], 12, createRandom(4));
      const { distortion, deviance, expected, statistics } = model.assess(images);
      for (const tensor of [distortion, deviance, expected]) expect(tensor.shape).toEqual([12, dim]);
      const sums = tf.sum(distortion, 1).dataSync();
      const whole = statistics['reconstruction']!.dataSync();
      sums.forEach((sum, i) => expect(sum / whole[i]!).toBeCloseTo(1, 4));
      const mean = tf.mean(images.x, 0).dataSync();
      expected.dataSync().forEach((value, i) => expect(value).toBeCloseTo(mean[i % dim]!, 4));
    });
  });

  test('a cell with a masked pixel does not count', () => {
    withModel((model, images) => {
      model.prepare!([arraysOf(images)], 12, createRandom(4));
      const upper = Array.from({ length: dim }, (_, i) => (i < dim / 4 ? 0 : 1));
      const mask = tf.tile(tf.tensor2d([upper]), [12, 1]);
      const { deviance } = model.negativeLogJoint(model.encode(images), { ...images, mask });
      const rows = tf.sum(tf.reshape(deviance, [12, side, side * colours]), 2).dataSync();
      expect(rows[0]).toBe(0);
      expect(rows[side - 1]).toBeGreaterThan(0);
    });
  });

  test('images without any variation are learned without numbers that are not finite', () => {
    withModel((model, images) => {
      const x = tf.fill<tf.Rank.R2>([12, dim], 0.4);
      model.prepare!([arraysOf({ ...images, x })], 12, createRandom(4));
      const { statistics } = model.assess(images);
      expect(statistics['reconstruction']!.dataSync().every(Number.isFinite)).toBe(true);
    });
  });

  test('draws no images', () => {
    withModel((model, { c }) => {
      expect(() => model.generate(12, c, createRandom(1), 1)).toThrow(/model\.features must be pixels/);
    });
  });
});
