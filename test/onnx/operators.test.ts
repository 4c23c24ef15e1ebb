/** Each kernel of tfjs, translated to ONNX by itself: onnxruntime computes what tfjs computes, for batches of any size. */
import { writeGraph } from '../../src/onnx/graph';
import { openSession } from '../../src/onnx/session';
import { operators, UntranslatableError } from '../../src/onnx/operators';
import { createRandom, recordKernels, tf, type Recording } from '../../src/tensor';
import { openTestBackend } from '../backend';

function isInstalled(name: string): boolean {
  try {
    return require.resolve(name) !== '';
  } catch {
    return false;
  }
}
const hasRuntime = isInstalled('onnxruntime-node');
if (!hasRuntime)
  process.stderr.write('onnxruntime-node is not installed: the translated kernels are not run\n');
const comparison = hasRuntime ? test : test.skip;

beforeAll(async () => {
  await openTestBackend('cpu');
});

/** Values per row of each input. */
const width = 8;
type Compute = (a: tf.Tensor2D, b: tf.Tensor2D) => tf.Tensor | tf.Tensor[];

interface Inputs {
  a: Float32Array;
  b: Float32Array;
}

/** Random values, with zeros and equal pairs among them; `range` clips them to the domain of the kernel. */
function createInputs(rows: number, [least, most]: readonly [number, number] = [-4, 4]): Inputs {
  const random = createRandom(rows);
  const draw = (i: number): number => Math.min(most, Math.max(least, i % 5 === 0 ? 0 : 2 * random.normal()));
  const a = Float32Array.from({ length: rows * width }, (_, i) => draw(i));
  return { a, b: a.map((value, i) => (i % 3 === 0 ? value : draw(i + 1))) };
}

interface Computed {
  recording: Recording;
  ids: [number, number];
  outputs: Record<string, number[]>;
}

function compute(task: Compute, { a, b }: Inputs): Computed {
  const shape: [number, number] = [a.length / width, width];
  const given = [tf.tensor2d(a, shape), tf.tensor2d(b, shape)] as const;
  const ids: [number, number] = [given[0].id, given[1].id];
  const outputs: Record<string, number[]> = {};
  const recording = recordKernels(new Set(ids), () => {
    const results = [task(...given)].flat();
    results.forEach((result, i) => (outputs[`out${i}`] = Array.from(result.dataSync())));
    return Object.fromEntries(results.map((result, i) => [`out${i}`, result]));
  });
  tf.dispose([...given]);
  return { recording, ids, outputs };
}

/** The graph of a computation, from recordings of two batches. */
function translate(task: Compute): { graph: Uint8Array; kernels: string[] } {
  const computed = [2, 3].map((rows) => compute(task, createInputs(rows)));
  const graph = writeGraph({
    name: 'kernel',
    recordings: computed.map(({ recording }) => recording),
    named: (['a', 'b'] as const).map((name, i) => ({ name, ids: computed.map(({ ids }) => ids[i]!) })),
  });
  return { graph, kernels: computed[0]!.recording.calls.map(({ kernel }) => kernel) };
}

const images = (x: tf.Tensor, channels = 2): tf.Tensor4D =>
  tf.reshape(x, [-1, 2, width / 2 / channels, channels]);
const filter = (...shape: [number, number, number, number]): tf.Tensor4D =>
  tf.tensor4d(
    Float32Array.from({ length: shape.reduce((x, y) => x * y) }, (_, i) => Math.sin(i + 1)),
    shape,
  );
const matrix = (rows: number, columns: number): tf.Tensor2D =>
  tf.tensor2d(
    Float32Array.from({ length: rows * columns }, (_, i) => Math.cos(i)),
    [rows, columns],
  );
const isPositive = (x: tf.Tensor): tf.Tensor => tf.greater(x, 0);

/** Kernel, what is special about the case, computation, and the range of its inputs. */
const cases: [kernel: string, what: string, task: Compute, range?: [number, number]][] = [
  ['Abs', '', (a) => tf.abs(a)],
  ['Add', '', (a, b) => tf.add(a, b)],
  ['Add', 'of a row to each row', (a) => tf.add(a, matrix(1, width))],
  ['AddN', 'of three', (a, b) => tf.addN([a, b, a])],
  ['BatchMatMul', '', (a) => tf.matMul(a, matrix(width, 3))],
  ['BatchMatMul', 'of a transposed matrix', (a) => tf.matMul(a, matrix(3, width), false, true)],
  ['BatchMatMul', 'of a batch that is transposed', (a, b) => tf.matMul(a, b, true, false)],
  ['Cast', 'of numbers to whole numbers', (a) => tf.cast(a, 'int32')],
  ['Cast', 'of booleans to numbers', (a) => tf.cast(isPositive(a), 'float32')],
  ['ClipByValue', '', (a) => tf.clipByValue(a, -1, 0.5)],
  ['Concat', 'of columns', (a, b) => tf.concat([a, b, a], 1)],
  ['Concat', 'of batches', (a, b) => tf.concat([a, b], 0)],
  ['Conv2D', 'with equal padding', (a) => tf.conv2d(images(a), filter(2, 2, 2, 3), 1, 'same')],
  ['Conv2D', 'without padding', (a) => tf.conv2d(images(a, 1), filter(2, 3, 1, 2), 1, 'valid')],
  ['Conv2D', 'with steps of two', (a) => tf.conv2d(images(a, 1), filter(3, 3, 1, 2), 2, 'same')],
  [
    'Conv2DBackpropInput',
    'with equal padding',
    (a) => tf.conv2dTranspose(images(a), filter(2, 2, 3, 2), [a.shape[0], 2, 2, 3], 1, 'same'),
  ],
  [
    'Conv2DBackpropInput',
    'with steps of two, to an odd size',
    (a) => tf.conv2dTranspose(images(a), filter(3, 3, 1, 2), [a.shape[0], 3, 4, 1], 2, 'same'),
  ],
  [
    'DepthwiseConv2dNative',
    'with steps of two',
    (a) => tf.depthwiseConv2d(images(a), filter(3, 3, 2, 1), 2, 'same'),
  ],
  [
    'DepthwiseConv2dNative',
    'with equal padding',
    (a) => tf.depthwiseConv2d(images(a), filter(3, 2, 2, 1), 1, 'same'),
  ],
  ['Exp', '', (a) => tf.exp(a), [-90, 80]],
  ['ExpandDims', '', (a) => tf.expandDims(a, 1)],
  ['Expm1', '', (a) => tf.expm1(a), [-50, 3]],
  ['Expm1', 'near 0', (a) => tf.mul(tf.expm1(tf.mul(a, 1e-5)), 1e5)],
  ['Greater', '', (a, b) => tf.greater(a, b)],
  ['GreaterEqual', '', (a, b) => tf.greaterEqual(a, b)],
  ['Identity', '', (a) => tf.clone(a)],
  [
    'Identity',
    'of an output, as further outputs',
    (a, b) => {
      const sum = tf.add(a, b);
      return [sum, tf.clone(sum), tf.clone(sum)];
    },
  ],
  ['Less', '', (a, b) => tf.less(a, b)],
  ['LessEqual', '', (a, b) => tf.lessEqual(a, b)],
  ['Log', '', (a) => tf.log(a), [0, 1e6]],
  ['Log1p', '', (a) => tf.log1p(a), [-0.9, 1e6]],
  ['LogicalAnd', '', (a, b) => tf.logicalAnd(isPositive(a), isPositive(b))],
  ['Max', 'of each row', (a) => tf.max(a, 1)],
  ['Max', 'of all', (a) => tf.max(a)],
  ['Maximum', '', (a, b) => tf.maximum(a, b)],
  ['Mean', 'of each row, with its dimension', (a) => tf.mean(a, -1, true)],
  ['Mean', 'of all', (a) => tf.mean(a)],
  ['Min', 'of each column', (a) => tf.min(a, 0)],
  ['Minimum', '', (a, b) => tf.minimum(a, b)],
  ['Mod', '', (a, b) => tf.mod(a, tf.add(tf.abs(b), 0.5))],
  ['Multiply', '', (a, b) => tf.mul(a, b)],
  ['Neg', '', (a) => tf.neg(a)],
  [
    'PadV2',
    '',
    (a) =>
      tf.pad(
        a,
        [
          [0, 0],
          [2, 1],
        ],
        0.25,
      ),
  ],
  ['RealDiv', '', (a, b) => tf.div(a, tf.add(tf.abs(b), 0.5))],
  ['Relu', '', (a) => tf.relu(a)],
  ['Reshape', 'to another shape', (a) => tf.reshape(a, [-1, 2, width / 2])],
  ['Reshape', 'to one dimension', (a) => tf.reshape(a, [-1])],
  ['Select', '', (a, b) => tf.where(tf.greater(a, b), a, b)],
  ['Sigmoid', '', (a) => tf.sigmoid(a), [-80, 80]],
  ['Sign', '', (a) => tf.sign(a)],
  ['Slice', 'of columns', (a) => tf.slice(a, [0, 2], [-1, 3])],
  ['Softplus', '', (a) => tf.softplus(a), [-80, 80]],
  ['SplitV', 'into equal parts', (a) => tf.split(a, 2, 1)],
  ['SplitV', 'into unequal parts', (a) => tf.split(a, [1, 5, 2], -1)],
  ['Sqrt', '', (a) => tf.sqrt(a), [0, 1e6]],
  ['Square', '', (a) => tf.square(a)],
  ['Step', '', (a) => tf.step(a)],
  ['Step', 'with a slope', (a) => tf.step(a, 0.25)],
  ['Sub', '', (a, b) => tf.sub(a, b)],
  ['Sum', 'of each row', (a) => tf.sum(a, -1)],
  ['Sum', 'of each row, with its dimension', (a) => tf.sum(a, 1, true)],
  ['Sum', 'of each column', (a) => tf.sum(a, 0)],
  ['Sum', 'of the columns of a matrix of known size', (a) => tf.add(a, tf.sum(matrix(3, width), 0))],
  ['Sum', 'of a middle dimension', (a) => tf.sum(tf.reshape(a, [-1, 2, width / 2]), 1)],
  ['Sum', 'of all', (a) => tf.sum(a)],
  ['Tanh', '', (a) => tf.tanh(a)],
  ['Tile', '', (a) => tf.tile(a, [1, 3])],
  ['Transpose', '', (a) => tf.transpose(tf.reshape(a, [-1, 2, width / 2]), [0, 2, 1])],
];

describe('onnxruntime computes what tfjs computes', () => {
  const named = cases.map(([kernel, what, task, range]) => ({
    kernel,
    title: `${kernel} ${what}`.trim(),
    task,
    range,
  }));
  comparison.each(named)('$title', async ({ kernel, task, range }) => {
    const { graph, kernels } = translate(task);
    expect(kernels).toContain(kernel);
    const session = await openSession(graph);
    for (const rows of [1, 5]) {
      const inputs = createInputs(rows, range);
      const shape = [rows, width];
      const expected = compute(task, inputs).outputs;
      const actual = await session.run(
        { a: { data: inputs.a, shape }, b: { data: inputs.b, shape } },
        session.outputs,
      );
      for (const [name, values] of Object.entries(expected)) {
        expect(actual[name]).toHaveLength(values.length);
        values.forEach((value, i) => expectClose(Number(actual[name]![i]), value));
      }
    }
    await session.release();
  });

  test('each translation has a case', () => {
    const covered = new Set(cases.map(([kernel]) => kernel));
    expect(Object.keys(operators).filter((kernel) => !covered.has(kernel))).toEqual([]);
  });
});

/** To six digits of float32, and six places near 0; not finite values exactly. */
function expectClose(actual: number, expected: number): void {
  if (!Number.isFinite(expected)) expect(actual).toBe(expected);
  else expect(Math.abs(actual - expected)).toBeLessThanOrEqual(2e-6 * Math.max(1, Math.abs(expected)));
}

test.each<[string, Compute, RegExp]>([
  ['a kernel without a translation', (a) => tf.cos(a), /the kernel Cos has no translation/],
  [
    'a product of transposed matrices of more than two dimensions',
    (a) => {
      const cubes = tf.reshape<tf.Rank.R3>(a, [-1, 2, width / 2]);
      return tf.matMul(cubes, cubes, true, false);
    },
    /BatchMatMul of transposed matrices/,
  ],
  ['parts of the batch', (a) => tf.split(a, [1, a.shape[0] - 1], 0), /SplitV along the batch/],
  ['the last row of the batch', (a) => tf.slice(a, [a.shape[0] - 1, 0], [1, width]), /Slice at a position/],
  ['repetitions that depend on the batch', (a) => tf.tile(a, [a.shape[0], 1]), /Tile/],
  [
    'two sizes that depend on the batch',
    (a) => tf.reshape(tf.matMul(a, a, false, true), [a.shape[0], 1, a.shape[0]]),
    /two sizes that depend/,
  ],
  ['a constant that depends on the batch', (a) => tf.mul(a, a.shape[0]), /a constant of shape \[\]/],
  [
    'steps that depend on the batch',
    (a) => (a.shape[0] === 2 ? tf.abs(a) : tf.neg(a)),
    /the kernels depend on the batch size/,
  ],
])('refuses %s', (_, task, message) => {
  expect(() => translate(task)).toThrow(UntranslatableError);
  expect(() => translate(task)).toThrow(message);
});
