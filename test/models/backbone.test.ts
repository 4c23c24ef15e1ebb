/** The backbone computes what PyTorch computes with the weights that it was converted from (scripts/backbone.py). */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backboneChannels, backboneFeatures, backboneGrid, createBackbone } from '../../src/models/backbone';
import { writeWeights } from '../../src/models/model';
import { readBackbone } from '../../src/runtime/backbone';
import { decodeSafetensors, scoped, tf } from '../../src/tensor';
import { openTestBackend } from '../backend';

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
    // The first map of the first cell: the mean of the four values at the corner.
    const { data } = fixture('maps/0');
    const corner = [0, 1, 5, 6].reduce((sum, at) => sum + data[at * 40]! / 4, 0);
    expect(features.dataSync()[0]).toBeCloseTo(corner, 3);
  });
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
