/** The traced graph computes the same as tfjs, for every kind, network and likelihood, and for batches of any size. */
import { createConditionEncoder, createCategoryTable } from '../../src/domain/condition';
import { createScaler } from '../../src/domain/scaler';
import { createWindowBatch, type WindowBatch } from '../../src/domain/window';
import { disposeModel, type Model } from '../../src/models/model';
import { createModel, modelKinds, type AnyModelSpec } from '../../src/models/zoo';
import { loadOnnxRuntime, openSession } from '../../src/onnx/session';
import { createChannelMap } from '../../src/scoring/contributions';
import { createWindowEncoder, type WindowEncoder } from '../../src/scoring/encode';
import { createTfjsEngine, type Outputs, type ScoringEngine } from '../../src/scoring/engine';
import { openGraph } from '../../src/scoring/onnx-engine';
import { outputNames, outputStatistics } from '../../src/scoring/outputs';
import { traceScoring, traceWithScaler } from '../../src/scoring/trace';
import { shapeOf, type LearnedState } from '../../src/scoring/version-state';
import { createRandom, tf } from '../../src/tensor';
import { createSpec } from '../models/spec';
import { openTestBackend } from '../backend';

beforeAll(async () => {
  await openTestBackend('wasm');
});

const small = { width: 7, height: 6, colour: 'grey' } as const;
/** Few of them are in a run. 21 × 25 cells of the backbone, and 24 × 24. */
const large = { width: 200, height: 168, colour: 'grey' } as const;
const square = { width: 192, height: 192, colour: 'grey' } as const;

interface Case {
  model: Model;
  learned: LearnedState;
  encoder: WindowEncoder;
  wanted: string[];
  engines: { tfjs: ScoringEngine; onnx: ScoringEngine };
  close: () => void;
}

/** A model with random weights and a made-up state. */
async function createCase(
  options: Partial<AnyModelSpec>,
  conditional: boolean,
  image: typeof small | typeof large | typeof square = small,
  sensors = 3,
): Promise<Case> {
  const pixels = options.network === 'conv2d' || options.features !== undefined;
  const [length, channels] = pixels ? [image.width * image.height, 1] : [6, sensors];
  const table = createCategoryTable();
  const specs = conditional
    ? ([{ name: 'mode', kind: 'category', maxValues: 4, missing: 'unknown' }] as const)
    : [];
  const conditions = { specs, categories: { mode: ['a', 'b', 'c'] }, numbers: {} };
  const spec = createSpec({
    hidden: [12, 8],
    ...options,
    length,
    width: pixels ? image.width : 1,
    channels,
    conditionDim: conditional ? 8 : 0,
  });
  const each = (value: (i: number) => number): number[] =>
    Array.from({ length: channels }, (_, i) => value(i));
  const learned: LearnedState = {
    spec,
    channels: each((i) => i).map((i) => `channel ${i}`),
    ...(pixels && { image }),
    scaler: pixels
      ? { center: [0], scale: [255], min: [0], max: [255], count: [1] }
      : {
          center: each((i) => 1e6 * i),
          scale: each((i) => 0.5 + i),
          min: each(() => -1e9),
          max: each(() => 1e9),
          count: each(() => 1),
        },
    conditions,
    signals: [],
    recordsPerMs: 1,
    engine: 'none',
    settingsFingerprint: '',
  };
  const random = createRandom(3);
  const model = createModel(spec, random);
  // Also biases and other weights that start at 0.
  for (const variable of model.weights.values())
    tf.tidy(() =>
      variable.assign(
        tf.add(variable, tf.reshape(tf.mul(random.normalTensor([1, variable.size]), 0.1), variable.shape)),
      ),
    );
  const encoder = createWindowEncoder(
    shapeOf(learned),
    createScaler(learned.scaler),
    createConditionEncoder(conditions, table),
  );
  const channelMap = createChannelMap(learned);
  const tfjs = createTfjsEngine(model, encoder, channelMap);
  const onnx = (await openGraph(traceScoring(model, learned), openSession))(model, encoder, channelMap);
  return {
    model,
    learned,
    encoder,
    wanted: [
      ...outputStatistics(model, channelMap),
      ...Object.values(outputNames).filter((name) => name !== 'oddness' || spec.oddness),
    ],
    engines: { tfjs, onnx },
    close() {
      onnx.dispose();
      disposeModel(model);
    },
  };
}

/** Random windows, some values missing, some extreme. */
function windowsFor({ learned }: Case, count: number): WindowBatch {
  const shape = shapeOf(learned);
  const batch = createWindowBatch(shape, count);
  const random = createRandom(9);
  batch.count = count;
  for (let i = 0; i < batch.values.length; i++) {
    const channel = i % learned.scaler.center.length;
    const normal = random.normal();
    if (shape.pixels === true) batch.values[i] = Math.floor(random.uniform() * 256);
    else if (random.uniform() < 0.1) batch.values[i] = NaN;
    else {
      const wild = random.uniform() < 0.02 ? 1e5 : 1;
      batch.values[i] = learned.scaler.center[channel]! + learned.scaler.scale[channel]! * normal * wild;
    }
  }
  for (let i = 0; i < batch.conditions.length; i++) batch.conditions[i] = Math.floor(random.uniform() * 4);
  return batch;
}

async function run(of: Case, engine: ScoringEngine, batch: WindowBatch): Promise<Outputs> {
  const encoded = of.encoder.createBuffers(batch.count);
  of.encoder.encode(batch, encoded);
  return engine.run(encoded, batch.count, of.wanted);
}

function furthest(expected: Outputs, actual: Outputs): number {
  return Math.max(
    ...Object.entries(expected).map(([name, values]) =>
      values.reduce(
        (most, value, i) =>
          Math.max(most, Math.abs(actual[name]![i]! - value) / Math.max(1, Math.abs(value))),
        values.length === actual[name]!.length ? 0 : Infinity,
      ),
    ),
  );
}

const cases: [string, Partial<AnyModelSpec>][] = modelKinds.flatMap((kind) =>
  (['mlp', 'conv1d', 'conv2d'] as const).flatMap((network) =>
    (network === 'conv2d'
      ? (['gaussian', 'student-t', 'bernoulli', 'discretised-logistic'] as const)
      : (['gaussian', 'student-t'] as const)
    ).flatMap((likelihood) =>
      (kind === 'aae'
        ? (['normal', 'mixture', 'uniform', 'swiss-roll'] as const)
        : (['normal'] as const)
      ).map((prior): [string, Partial<AnyModelSpec>] => [
        `${kind}, ${network}, ${likelihood}${kind === 'aae' ? `, ${prior}` : ''}`,
        { kind, network, likelihood, prior },
      ]),
    ),
  ),
);

test('of windows of many channels too, and to the bit wherever in a batch a window is', async () => {
  const of = await createCase({ kind: 'vae', network: 'mlp' }, false, small, 24);
  const batch = windowsFor(of, 37);
  const actual = await run(of, of.engines.onnx, batch);
  expect(furthest(await run(of, of.engines.tfjs, batch), actual)).toBeLessThan(1e-4);
  const turned = windowsFor(of, 37);
  const size = batch.values.length / 37;
  for (let i = 0; i < 37; i++)
    turned.values.set(batch.values.subarray(i * size, (i + 1) * size), ((i + 5) % 37) * size);
  for (const [name, values] of Object.entries(await run(of, of.engines.onnx, turned))) {
    const width = values.length / 37;
    expect([...values.subarray(5 * width), ...values.subarray(0, 5 * width)]).toEqual([...actual[name]!]);
  }
  of.close();
});

cases.push(['vae, conv2d, of gradients', { kind: 'vae', network: 'conv2d', features: 'gradients' }]);

describe.each(cases)('%s', (_, options) => {
  test.each([false, true])('computes the same as tfjs to 1e-4 (conditions: %s)', async (conditional) => {
    const of = await createCase(options, conditional);
    const batch = windowsFor(of, 21);
    const expected = await run(of, of.engines.tfjs, batch);
    for (const values of Object.values(expected)) expect(values.every(Number.isFinite)).toBe(true);
    expect(furthest(expected, await run(of, of.engines.onnx, batch))).toBeLessThan(1e-4);
    of.close();
  });

  test('the exported graph scales raw values by itself', async () => {
    const of = await createCase(options, true);
    const batch = windowsFor(of, 5);
    const expected = await run(of, of.engines.onnx, batch);
    const { InferenceSession, Tensor } = await loadOnnxRuntime();
    const session = await InferenceSession.create(traceWithScaler(of.model, of.learned), {
      logSeverityLevel: 3,
    });
    expect(session.inputNames).toEqual(['values', 'c']);
    const encoded = of.encoder.createBuffers(5);
    of.encoder.encode(batch, encoded);
    const { spec } = of.learned;
    const values =
      options.network === 'conv2d'
        ? new Tensor('uint8', batch.values as Uint8Array, [5, small.height, small.width, 1])
        : new Tensor('float64', batch.values as Float64Array, [5, spec.length, spec.channels]);
    const c = new Tensor('float32', Float32Array.from(encoded.c.subarray(0, 5 * 8)), [5, 8]);
    const outputs = await session.run({ values, c });
    const actual = Object.fromEntries(of.wanted.map((name) => [name, outputs[name]!.data as Float32Array]));
    expect(furthest(expected, actual)).toBeLessThan(1e-4);
    await session.release();
    of.close();
  });
});

test.each<[string, Partial<AnyModelSpec>, typeof large | typeof square | undefined]>([
  ['vae', { kind: 'vae' }, undefined],
  ['hvae', { kind: 'hvae' }, undefined],
  ['aae with a mixture', { kind: 'aae', prior: 'mixture', latentDim: 3, mixtureModes: 5 }, undefined],
  ['vae with conv1d and student-t', { kind: 'vae', network: 'conv1d', likelihood: 'student-t' }, undefined],
  [
    'cvae with conv2d and discretised-logistic',
    { network: 'conv2d', likelihood: 'discretised-logistic' },
    undefined,
  ],
  ['cvae of gradients', { network: 'conv2d', features: 'gradients' }, undefined],
  ['cvae of gradients of large images', { features: 'gradients', bank: 20 }, large],
  [
    'cvae of the cells of large images',
    { features: 'backbone', patches: true, bank: 20, oddness: 'relative' },
    large,
  ],
  [
    'hvae of the cells of square images',
    { kind: 'hvae', features: 'backbone', patches: true, bank: 20, oddness: 'relative' },
    square,
  ],
])(
  'a window of a %s has the same score to the bit in every batch and at every position',
  async (_, options, image) => {
    const all = image === undefined ? 300 : 9;
    const of = await createCase(options, true, image);
    const whole = windowsFor(of, all);
    const expected = await run(of, of.engines.onnx, whole);
    const { length, channels, conditions } = shapeOf(of.learned);
    for (const [from, count] of (
      [
        [0, 1],
        [6, 1],
        [1, 5],
        [17, 1],
        [3, 16],
        [100, 33],
        [250, 50],
      ] as const
    ).filter(([first, length]) => first + length <= all)) {
      const part = createWindowBatch(shapeOf(of.learned), count);
      part.count = count;
      const dim = length * channels;
      part.values.set(whole.values.subarray(from * dim, (from + count) * dim));
      part.conditions.set(
        whole.conditions.subarray(from * length * conditions, (from + count) * length * conditions),
      );
      const actual = await run(of, of.engines.onnx, part);
      for (const name of of.wanted) {
        const width = expected[name]!.length / all;
        expect([name, from, Array.from(actual[name]!)]).toEqual([
          name,
          from,
          Array.from(expected[name]!.subarray(from * width, (from + count) * width)),
        ]);
      }
    }
    of.close();
  },
);

test('what heat maps are made of leaves every other output of a model of cells as it is, to the bit', async () => {
  const options = { features: 'backbone', patches: true, bank: 20 } as const;
  const [without, withOddness] = [
    await createCase(options, true, large),
    await createCase({ ...options, oddness: 'relative' }, true, large),
  ];
  const batch = windowsFor(without, 5);
  const [expected, actual] = [
    await run(without, without.engines.onnx, batch),
    await run(withOddness, withOddness.engines.onnx, batch),
  ];
  expect(withOddness.wanted).toEqual([...without.wanted, outputNames.oddness]);
  for (const name of without.wanted)
    expect([name, Array.from(actual[name]!)]).toEqual([name, Array.from(expected[name]!)]);
  for (const of of [without, withOddness]) of.close();
});
