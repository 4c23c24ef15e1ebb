import { createConvolution, createTransposedConvolution } from '../../src/models/convolution';
import type { Network } from '../../src/models/network';
import { createRandom, openBackend, scoped, tf, type BackendName } from '../../src/tensor';

const shapes = {
  'conv1d, an odd length': { height: 7, width: 1, channels: 3, filters: [4, 5] },
  'conv1d, deeper than the window is long': { height: 3, width: 1, channels: 2, filters: [6, 6, 6] },
  conv2d: { height: 6, width: 5, channels: 2, filters: [3, 4] },
};

interface Run {
  out: number[];
  gradients: Record<string, number[]>;
}

/** Encodes and decodes x, and computes the gradient of the squared error. */
async function run(backend: BackendName, shape: (typeof shapes)['conv2d']): Promise<Run> {
  await openBackend(backend);
  return scoped(() => {
    const random = createRandom(3);
    const reader = createConvolution({ ...shape, name: 'reader', vectorDim: 4, random }, 2);
    const writer = createTransposedConvolution({ ...shape, name: 'writer', vectorDim: 4, random });
    const x = random.normalTensor([5, shape.height * shape.width * shape.channels]);
    const given = random.normalTensor([5, 2]);
    const pass = (): tf.Tensor2D => writer.apply(reader.apply(x, given));
    const { grads } = tf.variableGrads(() => tf.mean(tf.square(tf.sub(pass(), x))));
    const weights = new Map([...reader.weights, ...writer.weights]);
    const gradients = Object.fromEntries(
      [...weights].map(([name, variable]) => [name, Array.from(grads[variable.name]!.dataSync())]),
    );
    const out = pass();
    expect(out.shape).toEqual(x.shape);
    const result = { out: Array.from(out.dataSync()), gradients };
    for (const variable of weights.values()) variable.dispose();
    return result;
  });
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
}

describe.each(Object.entries(shapes))('%s', (_, shape) => {
  test('wasm with the added kernel computes the same as cpu', async () => {
    const expected = await run('cpu', shape);
    const actual = await run('wasm', shape);
    expectClose(actual.out, expected.out);
    for (const [name, gradient] of Object.entries(expected.gradients)) {
      expect(gradient.some((value) => value !== 0)).toBe(true);
      expectClose(actual.gradients[name]!, gradient);
    }
  });

  test.each(['cpu', 'wasm'] as const)('it trains on %s', async (backend) => {
    await openBackend(backend);
    const random = createRandom(3);
    const reader = createConvolution({ ...shape, name: 'reader', vectorDim: 4, random }, 0);
    const writer = createTransposedConvolution({ ...shape, name: 'writer', vectorDim: 4, random });
    const x = random.normalTensor([8, shape.height * shape.width * shape.channels]);
    const optimizer = tf.train.adam(0.05);
    const loss = (): tf.Scalar => tf.mean(tf.square(tf.sub(writer.apply(reader.apply(x)), x)));
    const before = scoped(() => loss().dataSync()[0]!);
    const { numTensors } = tf.memory();
    optimizer.minimize(loss);
    const kept = tf.memory().numTensors;
    for (let i = 0; i < 40; i++) optimizer.minimize(loss);
    expect(tf.memory().numTensors).toBe(kept);
    // Adam keeps two moments for each variable, and its own step.
    expect(kept).toBeGreaterThan(numTensors);
    expect(scoped(() => loss().dataSync()[0]!)).toBeLessThan(0.7 * before);
    optimizer.dispose();
    x.dispose();
    for (const network of [reader, writer] satisfies Network[])
      for (const variable of network.weights.values()) variable.dispose();
  });
});
