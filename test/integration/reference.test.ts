/**
 * The models against a second implementation in PyTorch (test/reference): the same weights, inputs and noise must give
 * the same losses, gradients and statistics.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromTorchWeights, toTorchWeights } from '../../src/models/exchange';
import { disposeModel, writeWeights, type Examples } from '../../src/models/model';
import { createPrior } from '../../src/models/prior';
import { createModel, type AnyModelSpec } from '../../src/models/zoo';
import {
  createRandom,
  decodeSafetensors,
  encodeSafetensors,
  scoped,
  tf,
  type Random,
  type StoredTensor,
} from '../../src/tensor';
import { createExamples, createSpec } from '../models/spec';
import { openTestBackend } from '../backend';

/** A Python that has PyTorch: the one named in the environment, or Debian's, where `python3-torch` puts it. */
const python = [process.env['VAEMON_TEST_PYTHON'], '/usr/bin/python3', 'python3'].find(
  (command) => command !== undefined && spawnSync(command, ['-c', 'import torch']).status === 0,
);
if (python === undefined)
  process.stderr.write('no Python with PyTorch (python3-torch): the reference tests are skipped\n');
const suite = python === undefined ? describe.skip : describe;

const folder = mkdtempSync(join(tmpdir(), 'vaemon-reference-'));
const script = (name: string): string => join(__dirname, '../reference', name);
const runPython = (...args: string[]): void => void execFileSync(python!, args, { encoding: 'utf8' });
const write = (name: string, tensors: ReadonlyMap<string, StoredTensor>, metadata = {}): string => {
  const path = join(folder, name);
  writeFileSync(path, encodeSafetensors(tensors, metadata));
  return path;
};
const read = (name: string): Map<string, StoredTensor> =>
  decodeSafetensors(readFileSync(join(folder, name))).tensors;

beforeAll(async () => {
  await openTestBackend('cpu');
});
afterAll(() => rmSync(folder, { recursive: true }));

function stored(tensor: tf.Tensor): StoredTensor {
  return { dtype: 'F32', shape: tensor.shape, data: tensor.dataSync<'float32'>().slice() };
}

/** The largest difference, relative to the largest value. */
function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual).toHaveLength(expected.length);
  let [difference, size] = [0, 1e-6];
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(actual[i]! - expected[i]!));
    size = Math.max(size, Math.abs(expected[i]!));
  }
  return difference / size;
}

/** Writes down every normal draw. */
function recording(random: Random, draws: tf.Tensor[]): Random {
  return {
    ...random,
    normalTensor(shape) {
      const draw = random.normalTensor(shape);
      draws.push(tf.keep(draw.clone()));
      return draw;
    },
  };
}

const bytes = (x: tf.Tensor2D): tf.Tensor2D => tf.div(tf.round(tf.mul(tf.sigmoid(tf.mul(x, 3)), 255)), 255);
const image = { network: 'conv2d', hidden: [3, 4], length: 30, width: 5, channels: 2 } as const;

const cases: [string, Partial<AnyModelSpec>, ((x: tf.Tensor2D) => tf.Tensor2D)?][] = [
  ['vae', { kind: 'vae' }],
  ['vae without conditions, student-t', { kind: 'vae', conditionDim: 0, likelihood: 'student-t' }],
  ['vae, bernoulli', { kind: 'vae', likelihood: 'bernoulli' }, (x) => tf.sigmoid(x)],
  [
    'vae, conv2d, discretised-logistic',
    { kind: 'vae', likelihood: 'discretised-logistic', minVariance: 0.05, ...image },
    bytes,
  ],
  ['beta-vae, warm-up', { kind: 'beta-vae', betaSchedule: 'warm-up', betaSteps: 20 }],
  [
    'beta-vae, cyclical, free bits',
    { kind: 'beta-vae', betaSchedule: 'cyclical', betaSteps: 20, freeBits: 0.2 },
  ],
  ['beta-vae, capacity', { kind: 'beta-vae', capacity: 4, capacitySteps: 10 }],
  ['cvae', { kind: 'cvae' }],
  ['cvae without conditions, free bits', { kind: 'cvae', conditionDim: 0, freeBits: 0.2 }],
  ['cvae, conv1d', { kind: 'cvae', network: 'conv1d', hidden: [4, 5], length: 7 }],
  ['aae, normal', { kind: 'aae' }],
  ['aae, mixture', { kind: 'aae', prior: 'mixture', latentDim: 3 }],
  ['aae, uniform', { kind: 'aae', prior: 'uniform' }],
  ['aae, swiss-roll, conv1d', { kind: 'aae', prior: 'swiss-roll', network: 'conv1d', hidden: [4] }],
  ['hvae', { kind: 'hvae' }],
  [
    'hvae of three levels without conditions',
    {
      kind: 'hvae',
      conditionDim: 0,
      levels: [2, 2, 3],
      levelWeights: [0.5, 1, 2],
      levelFreeBits: [0, 0.1, 0.2],
      llrLevels: 2,
    },
  ],
  ['hvae, conv1d', { kind: 'hvae', network: 'conv1d', hidden: [4], length: 5 }],
];
const step = 7;

suite('losses, gradients and statistics are those of PyTorch', () => {
  const ours = new Map<string, Map<string, ArrayLike<number>>>();

  beforeAll(() => {
    const paths = cases.map(([, changes, transform = (x) => x], i) =>
      scoped(() => {
        const spec = createSpec({ latentDim: 2, hidden: [8, 6], ...changes });
        const model = createModel(spec, createRandom(1));
        // Biases that begin at 0 would hide an error in them.
        const random = createRandom(8);
        for (const variable of model.weights.values()) {
          const moved = variable.dataSync<'float32'>().map((value) => value + 0.1 * random.normal());
          variable.assign(tf.tensor(moved, variable.shape));
        }
        const plain = createExamples(spec, 6);
        const seen = plain.x.dataSync().map((_, j) => (j % 7 === 3 ? 0 : 1));
        const mask = tf.tensor2d(seen, plain.x.shape);
        const examples: Examples = { x: tf.mul(transform(plain.x), mask), mask, c: plain.c };

        const results = new Map<string, ArrayLike<number>>();
        const draws: tf.Tensor[] = [];
        for (const phase of model.phases) {
          const noise = recording(createRandom(9), draws);
          const { value, grads } = tf.variableGrads(
            () => phase.loss(examples, noise, tf.scalar(step)),
            phase.variables as tf.Variable[],
          );
          results.set(`loss:${phase.name}`, value.dataSync());
          for (const [name, variable] of model.weights) {
            const gradient = grads[variable.name];
            if (gradient !== undefined) results.set(`gradient:${phase.name}:${name}`, gradient.dataSync());
          }
        }
        const { statistics } = model.assess(examples);
        for (const [name, values] of Object.entries(statistics))
          results.set(`statistic:${name}`, values.dataSync());

        const { x, c } = examples;
        const tensors = new Map<string, StoredTensor>([
          ['x', stored(x)],
          ['mask', stored(mask)],
          ...(c === undefined ? [] : [['c', stored(c)] as const]),
          ...[...model.weights].map(([name, variable]) => [`weight:${name}`, stored(variable)] as const),
          ...draws.map((draw, d) => [`noise:${d}`, stored(draw)] as const),
          ...(spec.kind === 'aae'
            ? [['drawn', stored(createPrior(spec).draw(6, createRandom(9)))] as const]
            : []),
        ]);
        ours.set(cases[i]![0], results);
        tf.dispose(draws);
        disposeModel(model);
        return write(`case-${i}.safetensors`, tensors, { spec: JSON.stringify(spec), step: String(step) });
      }),
    );
    runPython(script('run.py'), ...paths);
  }, 120_000);

  test.each(cases.map(([name], i) => [name, i] as const))('%s', (name, i) => {
    const reference = read(`case-${i}.reference.safetensors`);
    const results = ours.get(name)!;
    expect(results.size).toBeGreaterThan(5);
    for (const [key, values] of results) {
      const error = relativeError(values, reference.get(key)!.data);
      expect([key, error < 1e-4 ? 'agrees' : error]).toEqual([key, 'agrees']);
    }
  });
});

suite('the plain CVAE of the literature', () => {
  const spec = createSpec({
    kind: 'vae',
    likelihood: 'bernoulli',
    length: 12,
    channels: 1,
    conditionDim: 4,
    latentDim: 3,
    hidden: [16, 16],
  });

  function compare(weightsFile: string, model: ReturnType<typeof createModel>): void {
    scoped(() => {
      const { x: raw, mask, c } = createExamples(spec, 10);
      const x = tf.sigmoid(raw);
      const inputs = write(
        'inputs.safetensors',
        new Map([
          ['x', stored(x)],
          ['c', stored(c!)],
        ]),
      );
      runPython(
        script('plain_cvae.py'),
        'run',
        join(folder, weightsFile),
        inputs,
        join(folder, 'outputs.safetensors'),
      );
      const reference = read('outputs.safetensors');
      const { expected, statistics } = model.assess({ x, mask, c });
      expect(
        relativeError(model.encode({ x, mask, c }).dataSync(), reference.get('mean')!.data),
      ).toBeLessThan(1e-5);
      expect(relativeError(expected.dataSync(), reference.get('reconstruction')!.data)).toBeLessThan(1e-5);
      expect(
        relativeError(statistics['reconstruction']!.dataSync(), reference.get('distortion')!.data),
      ).toBeLessThan(1e-5);
    });
  }

  test('our weights give the same outputs there', () => {
    const model = createModel(spec, createRandom(4));
    write('ours.safetensors', toTorchWeights(model.weights));
    compare('ours.safetensors', model);
    disposeModel(model);
  });

  test('its weights give the same outputs here', () => {
    runPython(script('plain_cvae.py'), 'new', join(folder, 'theirs.safetensors'));
    const model = createModel(spec, createRandom(4));
    writeWeights(model, fromTorchWeights(model.weights, read('theirs.safetensors')));
    compare('theirs.safetensors', model);
    disposeModel(model);
  });
});
