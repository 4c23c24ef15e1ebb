/** The backbone computes what PyTorch computes with the weights that it was converted from (scripts/backbone.py). */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  backboneChannels,
  backboneFeatures,
  backboneGrid,
  backboneMaps,
  createBackbone,
} from '../../src/models/backbone';
import {
  disposeModel,
  writeWeights,
  type Assessment,
  type Model,
  type ModelSpec,
} from '../../src/models/model';
import { createModel } from '../../src/models/zoo';
import { readBackbone } from '../../src/runtime/backbone';
import { createRandom, decodeSafetensors, scoped, tf } from '../../src/tensor';
import { openTestBackend } from '../backend';
import { createSpec } from './spec';

beforeAll(() => openTestBackend('wasm'));

const file = join(__dirname, '../../backbone/efficientnet-lite0.safetensors');
const { tensors } = decodeSafetensors(readFileSync(join(__dirname, '../fixtures/backbone-maps.safetensors')));
/** Values and shape of a tensor of the fixture. */
const fixture = (name: string): { data: Float32Array; shape: number[] } => {
  const { data, shape } = tensors.get(name)!;
  return { data: data as Float32Array, shape: [...shape] };
};
const images = fixture('images');

test('the maps of two strides of noise and of a picture are those of PyTorch to 1e-4', () => {
  const backbone = createBackbone();
  writeWeights(backbone, readBackbone());
  scoped(() => {
    const x = tf.div<tf.Tensor4D>(tf.tensor(images.data, images.shape), 255);
    const maps = backbone.maps(x);
    expect(maps).toHaveLength(2);
    maps.forEach((map, i) => {
      const { shape, data } = fixture(`maps/${i}`);
      expect(map.shape).toEqual(shape);
      const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const differences = map.dataSync().map((value, j) => Math.abs(value - data[j]!) / largest);
      expect(Math.max(...differences)).toBeLessThan(1e-4);
    });
    const grid = backboneGrid({ height: 40, width: 40 });
    const flat = tf.reshape<tf.Rank.R2>(x, [2, -1]);
    const features = backboneFeatures(backbone, flat, grid, 3);
    expect(features.shape).toEqual([2, 25 * backboneChannels]);
    // The last cell has the last values of both maps.
    const last = features.dataSync().slice(-backboneChannels);
    const both = [0, 1].map((i) => fixture(`maps/${i}`));
    const expected = both.flatMap(({ data, shape }) => Array.from(data.slice(-shape[3]!)));
    last.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 3));
  });
  for (const variable of backbone.weights.values()) variable.dispose();
});

describe('a model of cells', () => {
  const side = 48;
  const cells = 36;
  const count = 24;
  const random = createRandom(5);
  const surfaceOf = (): Float32Array => {
    const [phase, level] = [6 * random.uniform(), 0.45 + 0.1 * random.uniform()];
    return Float32Array.from(
      { length: side * side },
      (_, i) => level + 0.1 * Math.sin((i % side) * 0.8 + phase) + 0.02 * random.uniform(),
    );
  };
  const clean = surfaceOf();
  const spot = clean.map((value, i) =>
    Math.hypot((i % side) - 30, Math.floor(i / side) - 16) < 5 ? 0.9 : value,
  );

  /** Learns from images; gives the statistics of the clean one and of the one with a spot. */
  function withStatistics(
    learned: readonly Float32Array[],
    use: (
      statistics: Readonly<Record<string, Float32Array>>,
      model: Model,
      given: tf.Tensor2D,
      assessment: Assessment,
    ) => void,
    scale = 1,
    oddness: ModelSpec['oddness'] = 'relative',
  ): void {
    const model = createModel(
      createSpec({
        kind: 'vae',
        features: 'backbone',
        patches: true,
        bank: 64,
        oddness,
        length: side * side,
        width: side,
        channels: 1,
        conditionDim: 0,
      }),
      createRandom(6),
    );
    writeWeights({ weights: model.frozen! }, readBackbone());
    const x = Float32Array.from(learned.flatMap((image) => Array.from(image)));
    const all = { x, mask: x.map(() => 1), c: new Float32Array(), count: learned.length };
    model.prepare!([all], learned.length, createRandom(7));
    scoped(() => {
      const scales = model.weights.get('features/scale/bias')!;
      scales.assign(scales.mul(scale));
      const given = tf.tensor2d([...clean, ...spot], [2, side * side]);
      const assessment = model.assess({ x: given, mask: tf.ones([2, side * side]), c: undefined });
      const values = Object.entries(assessment.statistics).map(([name, of]) => [
        name,
        of.dataSync<'float32'>(),
      ]);
      use(Object.fromEntries(values) as Record<string, Float32Array>, model, given, assessment);
    });
    disposeModel(model);
  }

  test('finds a spot on a surface', () => {
    withStatistics(Array.from({ length: count }, surfaceOf), (statistics) => {
      for (const name of ['patch', 'bank']) {
        const [ofClean, ofSpot] = statistics[name]!;
        expect([name, ofSpot! > 1.5 * ofClean!]).toEqual([name, true]);
      }
    });
  });

  test.each([
    // Powers of the distances in the odds of a cell whose nats have the power 1: of versions now and before.
    { kind: 'relative', powers: [2, 1] },
    { kind: true, powers: [1 / 2, 1 / 2] },
  ] as const)(
    'has a bank of each map: `bank` is the geometric mean over the maps of eighth powers over the cells, and the oddness of a cell a weighted one of its nats and distances: $kind',
    ({ kind, powers }) => {
      const compare: Parameters<typeof withStatistics>[1] = (statistics, model, given, assessment) => {
        const weights = (name: string): Float32Array =>
          model.weights.get(`features/${name}`)!.dataSync<'float32'>();
        const [centre, scale, bank] = ['centre/bias', 'scale/bias', 'typical/kernel'].map(weights);
        const size = bank!.length / backboneChannels;
        const grid = backboneGrid({ height: side, width: side });
        const backbone = createBackbone();
        writeWeights(backbone, readBackbone());
        const features = backboneFeatures(backbone, given, grid, 1).dataSync();
        for (const variable of backbone.weights.values()) variable.dispose();
        const distance = (cell: number, typical: number, map: { from: number; size: number }): number => {
          let sum = 0;
          for (let j = map.from; j < map.from + map.size; j++)
            sum +=
              ((features[cell * backboneChannels + j]! - centre![j]!) / scale![j]! -
                bank![j * size + typical]!) **
                2 /
              map.size;
          return sum;
        };
        const nearest = backboneMaps.map((map) =>
          Array.from({ length: 2 * cells }, (_, cell) =>
            Math.min(...Array.from({ length: size }, (_, typical) => distance(cell, typical, map))),
          ),
        );
        statistics['bank']!.forEach((actual, image) => {
          const ofMaps = nearest.map((distances) => {
            const own = distances.slice(image * cells, (image + 1) * cells);
            return (own.reduce((sum, one) => sum + one ** 8, 0) / cells) ** (1 / 8);
          });
          const expected = ofMaps.reduce((product, one) => product * one, 1) ** (1 / ofMaps.length);
          expect(actual / expected).toBeCloseTo(1, 2);
        });
        const [oddness, deviance] = [assessment.oddness!.dataSync(), assessment.deviance.dataSync()];
        // What the distances leave of the product are the nats, which sum to those of the pixels.
        for (const image of [0, 1]) {
          let [ofCells, ofPixels] = [0, 0];
          for (let cell = image * cells; cell < (image + 1) * cells; cell++)
            ofCells +=
              Math.exp(oddness[cell]! * (1 + powers[0] + powers[1])) /
              (nearest[0]![cell]! ** powers[0] * nearest[1]![cell]! ** powers[1]);
          for (const nats of deviance.slice(image * side * side, (image + 1) * side * side)) ofPixels += nats;
          expect(ofCells / ofPixels).toBeCloseTo(1, 2);
        }
      };
      withStatistics(Array.from({ length: count }, surfaceOf), compare, 1, kind);
    },
  );

  test('whose features hardly vary in training has finite statistics of an image that is far from all', () => {
    withStatistics(
      Array.from({ length: count }, surfaceOf),
      ({ patch, bank }) => {
        expect([...patch!, ...bank!].map(Number.isFinite)).toEqual([true, true, true, true]);
        expect(bank![1]).toBeGreaterThan(1e5);
      },
      1e-3,
    );
  });
});

test.each([
  [1, 1],
  [1, 40],
  [130, 3],
])('an image of %i × %i pixels has finite features that depend on it', (height, width) => {
  const backbone = createBackbone();
  writeWeights(backbone, readBackbone());
  const grid = backboneGrid({ height, width });
  const features = [0.1, 0.9].map((grey) =>
    scoped(() =>
      backboneFeatures(backbone, tf.fill([1, height * width], grey), grid, 1)
        .dataSync<'float32'>()
        .slice(),
    ),
  );
  expect(features[0]).toHaveLength(Math.ceil(height / 8) * Math.ceil(width / 8) * backboneChannels);
  expect(features.flatMap((one) => Array.from(one)).every(Number.isFinite)).toBe(true);
  expect(features[0]).not.toEqual(features[1]);
  for (const variable of backbone.weights.values()) variable.dispose();
});

describe('a file', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'backbone-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  test('that is damaged is refused by its name', () => {
    const bytes = readFileSync(file);
    bytes[bytes.length >> 1]! ^= 1;
    const path = join(folder, 'damaged.safetensors');
    writeFileSync(path, bytes);
    expect(() => readBackbone(path)).toThrow(/damaged\.safetensors is damaged: its SHA-256 is/);
  });

  test('that is missing is refused', () => {
    expect(() => readBackbone(join(folder, 'none'))).toThrow(/ENOENT/);
  });
});
