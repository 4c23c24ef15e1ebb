/** Heat maps of a small model of pictures, with a blot in a known place. */
import sharp from 'sharp';
import { disposeModel, type Examples, type Model } from '../../src/models/model';
import { createOptimizer, trainStep } from '../../src/models/train-step';
import { createModel } from '../../src/models/zoo';
import { paintHeatMap } from '../../src/scoring/heat-map';
import { createRandom, scoped, tf } from '../../src/tensor';
import { createSpec } from '../models/spec';
import { openTestBackend } from '../backend';

const side = 12;
const shape = { width: side, height: side, colours: 1 };

/** A soft light somewhere along a line: what the model takes for normal. */
function createPicture(at: number): number[] {
  return Array.from({ length: side * side }, (_, i) => {
    const [x, y] = [i % side, Math.floor(i / side)];
    return 0.1 + 0.8 * Math.exp(-((x - 2 - 8 * at) ** 2 + (y - 3 - 6 * at) ** 2) / 8);
  });
}

const toExamples = (pictures: readonly number[][]): Examples => ({
  x: tf.tensor2d([...pictures]),
  mask: tf.ones([pictures.length, side * side]),
  c: undefined,
});

let model: Model;

beforeAll(async () => {
  await openTestBackend('wasm');
  const changes = {
    kind: 'vae',
    network: 'conv2d',
    hidden: [8, 8],
    length: side * side,
    width: side,
    channels: 1,
  } as const;
  model = createModel(createSpec({ ...changes, conditionDim: 0, maxVariance: 1 }), createRandom(1));
  const optimizer = createOptimizer(model.phases[0]!, 1e-2);
  const random = createRandom(2);
  for (let step = 0; step < 200; step++)
    scoped(() => {
      const examples = toExamples(Array.from({ length: 32 }, () => createPicture(random.uniform())));
      trainStep(model.phases[0]!, optimizer, examples, random, step);
    });
}, 60_000);
afterAll(() => {
  disposeModel(model);
  expect(tf.memory().numTensors).toBe(0);
});

/** The picture of it, as PNG and decoded again, and how hot each pixel is in it. */
async function draw(picture: number[]): Promise<{ png: Buffer; heat: number[] }> {
  const distortion = scoped(() =>
    model
      .assess(toExamples([picture]))
      .distortion.dataSync<'float32'>()
      .slice(),
  );
  const usual = scoped(() =>
    model
      .assess(toExamples([createPicture(0.5)]))
      .distortion.dataSync<'float32'>()
      .slice(),
  );
  const typical = usual.slice().sort()[usual.length >> 1]!;
  const bytes = paintHeatMap(
    picture,
    distortion.map((nats) => nats - typical),
    shape,
  );
  const png = await sharp(bytes, { raw: { width: side, height: side, channels: 3 } })
    .png()
    .toBuffer();
  const decoded = await sharp(png).raw().toBuffer();
  expect(Buffer.compare(decoded, Buffer.from(bytes))).toBe(0);
  // Red minus blue, which is 0 for grey.
  const heat = Array.from({ length: side * side }, (_, i) => decoded[3 * i]! - decoded[3 * i + 2]!);
  return { png, heat };
}

test('a blot is hot, the rest is not, and the picture is a PNG', async () => {
  const picture = createPicture(0.3);
  const isBlot = (i: number): boolean => i % side >= 8 && i % side < 11 && i >= 1 * side && i < 4 * side;
  const { png, heat } = await draw(picture.map((value, i) => (isBlot(i) ? 1 : value)));
  expect(png.subarray(1, 4).toString()).toBe('PNG');
  const order = Array.from(heat.keys()).sort((a, b) => heat[b]! - heat[a]!);
  expect(order.slice(0, 9).filter(isBlot).length).toBeGreaterThanOrEqual(8);
  const others = order.filter((i) => !isBlot(i)).map((i) => heat[i]!);
  expect(others.reduce((sum, one) => sum + one / others.length, 0)).toBeLessThan(40);
});
