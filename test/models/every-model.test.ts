/** Requirements on each kind of model, network and likelihood, without training. */
import { createOptimizer, trainStep } from '../../src/models/train-step';
import { disposeModel, type Examples, type Model } from '../../src/models/model';
import { findLikeliestCodes } from '../../src/models/nearest-normal';
import { createModel, modelKinds, type AnyModelSpec } from '../../src/models/zoo';
import { createRandom, scoped, tf } from '../../src/tensor';
import { createExamples, createSpec } from './spec';
import { openTestBackend } from '../backend';

beforeAll(async () => {
  await openTestBackend('cpu');
});

const bytes = (x: tf.Tensor2D): tf.Tensor2D => tf.div(tf.round(tf.mul(tf.sigmoid(x), 255)), 255);

/** Name, spec, and a map from normal numbers to the range of the likelihood. */
const variants: [string, Partial<AnyModelSpec>, ((x: tf.Tensor2D) => tf.Tensor2D)?][] = [
  ...modelKinds.map((kind): [string, Partial<AnyModelSpec>] => [kind, { kind }]),
  ['vae without conditions', { kind: 'vae', conditionDim: 0 }],
  ['aae without conditions', { kind: 'aae', conditionDim: 0, prior: 'swiss-roll' }],
  ['hvae without conditions', { kind: 'hvae', conditionDim: 0 }],
  [
    'hvae of three levels',
    {
      kind: 'hvae',
      levels: [2, 2, 2],
      levelWeights: [0.5, 1, 2],
      levelFreeBits: [0, 0.1, 0.2],
      llrLevels: 2,
    },
  ],
  // Four numbers of the image, and two of the place of each of its three cells.
  ['hvae of cells', { kind: 'hvae', patches: true, conditionDim: 10 }],
  [
    'hvae of cells without conditions, of three levels',
    { kind: 'hvae', patches: true, conditionDim: 6, levels: [2, 2, 2], llrLevels: 2 },
  ],
  ['beta-vae with a capacity', { kind: 'beta-vae', capacity: 3, capacitySteps: 10 }],
  ['beta-vae with free bits', { kind: 'beta-vae', freeBits: 0.1, betaSchedule: 'warm-up' }],
  ['cvae with conv1d', { kind: 'cvae', network: 'conv1d', hidden: [4, 4] }],
  ['hvae with conv1d', { kind: 'hvae', network: 'conv1d', hidden: [4] }],
  ['aae with conv2d', { kind: 'aae', network: 'conv2d', hidden: [3, 4], length: 30, width: 5, channels: 1 }],
  ['vae with student-t', { kind: 'vae', likelihood: 'student-t' }],
  ['vae with bernoulli', { kind: 'vae', likelihood: 'bernoulli' }, (x) => tf.sigmoid(x)],
  ['vae with discretised-logistic', { kind: 'vae', likelihood: 'discretised-logistic' }, bytes],
];

describe.each(variants)('%s', (_, changes, transform = (x) => x) => {
  const spec = createSpec(changes);
  const dim = spec.length * spec.channels;
  const examplesOf = (count: number): Examples => {
    const examples = createExamples(spec, count);
    const x = tf.tidy(() => tf.clone(transform(examples.x)));
    examples.x.dispose();
    return { ...examples, x };
  };
  const create = (): Model => createModel(spec, createRandom(1));

  test('the gradients of each phase are those of finite differences', () => {
    scoped(() => {
      const model = create();
      const examples = examplesOf(4);
      // With biases of 0 a unit whose inputs are all 0 sits on the kink of its ReLU.
      const random = createRandom(8);
      for (const variable of model.weights.values()) {
        const moved = variable.dataSync<'float32'>().map((value) => value + 0.1 * random.normal());
        variable.assign(tf.tensor(moved, variable.shape));
      }
      for (const phase of model.phases) {
        const lossAt = (): number =>
          scoped(() => phase.loss(examples, createRandom(9), tf.scalar(7)).dataSync()[0]!);
        const { grads } = tf.variableGrads(
          () => phase.loss(examples, createRandom(9), tf.scalar(7)),
          phase.variables as tf.Variable[],
        );
        for (const variable of phase.variables) {
          const gradient = grads[variable.name]!.dataSync();
          const values = variable.dataSync<'float32'>().slice();
          const i = values.length >> 1;
          const nudge = (delta: number): number => {
            const moved = values.slice();
            moved[i]! += delta;
            scoped(() => variable.assign(tf.tensor(moved, variable.shape)));
            return lossAt();
          };
          // A large step may carry a unit over the kink of its ReLU, a small one drowns in float32: one must agree.
          let error = Infinity;
          for (const step of [1e-2, 3e-3, 1e-3]) {
            const numeric = (nudge(step) - nudge(-step)) / (2 * step);
            error = Math.min(error, Math.abs(gradient[i]! - numeric) / Math.max(1, Math.abs(numeric)));
            if (error < 0.01) break;
          }
          nudge(0);
          const name = [...model.weights].find(([, one]) => one === variable)![0];
          expect([phase.name, name, error < 0.01 ? 'agrees' : error]).toEqual([phase.name, name, 'agrees']);
        }
      }
      disposeModel(model);
    });
  });

  test('every variable belongs to a phase, and every phase changes its own variables and no others', () => {
    const model = create();
    const examples = examplesOf(16);
    const random = createRandom(2);
    const values = (): Map<string, string> =>
      new Map([...model.weights].map(([name, v]) => [name, v.dataSync().join()]));
    const changed = new Set<string>();
    for (const phase of model.phases) {
      const optimizer = createOptimizer(phase, 1e-2);
      const before = values();
      for (let i = 0; i < 3; i++) trainStep(phase, optimizer, examples, random, i);
      for (const [name, value] of values()) {
        const own = phase.variables.includes(model.weights.get(name)!);
        if (value !== before.get(name)) {
          changed.add(name);
          expect([phase.name, name, own]).toEqual([phase.name, name, true]);
        }
      }
    }
    expect([...changed].sort()).toEqual([...model.weights.keys()].sort());
    disposeModel(model);
    tf.dispose([examples.x, examples.mask]);
    examples.c?.dispose();
  });

  test('no step leaks a tensor, and one that is not finite is skipped and changes nothing', () => {
    const atStart = tf.memory().numTensors;
    const model = create();
    const examples = examplesOf(4);
    const broken = { ...examples, x: tf.tidy(() => tf.mul<tf.Tensor2D>(examples.x, NaN)) };
    for (const phase of model.phases) {
      const optimizer = createOptimizer(phase, 1e-2);
      const random = createRandom(2);
      expect(trainStep(phase, optimizer, examples, random, 0).skipped).toBe(false);
      const { numTensors } = tf.memory();
      const before = [...model.weights.values()].map((v) => v.dataSync<'float32'>().slice());
      expect(trainStep(phase, optimizer, broken, random, 1).skipped).toBe(true);
      expect([...model.weights.values()].map((v) => v.dataSync<'float32'>())).toEqual(before);
      expect(tf.memory().numTensors).toBe(numTensors);
    }
    disposeModel(model);
    tf.dispose([examples.x, broken.x, examples.mask]);
    examples.c?.dispose();
    expect(tf.memory().numTensors).toBe(atStart);
  });

  test('a missing value adds nothing to loss or score, and distortions sum to the reconstruction', () => {
    scoped(() => {
      const model = create();
      const { x, c } = examplesOf(2);
      const seen = Array.from({ length: 2 * dim }, (__, i) => (i === 3 || i === dim + 1 ? 0 : 1));
      const mask = tf.tensor2d(seen, [2, dim]);
      const assessment = model.assess({ x: tf.mul(x, mask), mask, c });
      const distortion = assessment.distortion.dataSync();
      seen.forEach((flag, i) => expect([i, distortion[i] !== 0]).toEqual([i, flag === 1]));
      const sums = tf.sum(assessment.distortion, 1).dataSync();
      const { reconstruction } = assessment.statistics;
      reconstruction!.dataSync().forEach((value, i) => expect(value).toBeCloseTo(sums[i]!, 3));
      expect(model.validationLoss({ x: tf.mul(x, mask), mask, c }).distortion.dataSync()[0]).toBeCloseTo(
        (sums[0]! + sums[1]!) / 2,
        3,
      );
      disposeModel(model);
    });
  });

  test('x under the mask does not affect the likelihood of a code or its gradients', () => {
    scoped(() => {
      const model = create();
      const { x, c } = examplesOf(2);
      const seen = Array.from({ length: 2 * dim }, (__, i) => (i % 5 === 3 ? 0 : 1));
      const mask = tf.tensor2d(seen, [2, dim]);
      const code = model.encode({ x, mask, c });
      const at = (hidden: number): unknown => {
        const masked = { x: tf.where(tf.cast(mask, 'bool'), x, tf.fill([2, dim], hidden)), mask, c };
        const distortionAt = (z: tf.Tensor): tf.Tensor =>
          tf.sum(model.negativeLogJoint(z as tf.Tensor2D, masked).distortion);
        const { value, grads } = tf.variableGrads(
          () => distortionAt(code) as tf.Scalar,
          [...model.weights.values()],
        );
        // Those of the encoder are null: the code is given.
        const gradients = Object.values(grads as Record<string, tf.Tensor | null>);
        return [value, tf.grad(distortionAt)(code), ...gradients].map((t) => t && Array.from(t.dataSync()));
      };
      expect(at(0.9)).toEqual(at(0));
      disposeModel(model);
    });
  });

  test('a batch is assessed at its codes, and the search finds only likelier codes', () => {
    scoped(() => {
      const model = create();
      const examples = examplesOf(3);
      const code = model.encode(examples);
      const { distortion, deviance, negativeLogPrior, priorDeviance, expected } = model.negativeLogJoint(
        code,
        examples,
      );
      const { statistics, ...assessed } = model.assess(examples);
      expect(assessed.distortion.dataSync()).toEqual(distortion.dataSync());
      expect(assessed.expected.dataSync()).toEqual(expected.dataSync());
      expect(statistics['latent']!.dataSync()).toEqual(tf.sum(negativeLogPrior, 1).dataSync());
      expect(Math.min(...priorDeviance.dataSync())).toBeGreaterThanOrEqual(0);
      expect(assessed.deviance.dataSync()).toEqual(deviance.dataSync());
      expect(Math.min(...deviance.dataSync())).toBeGreaterThanOrEqual(0);
      const start = tf.add(tf.sum(deviance, 1), tf.sum(negativeLogPrior, 1)).dataSync();
      const { numTensors } = tf.memory();
      const { codes, costs } = findLikeliestCodes(model, examples);
      expect(tf.memory().numTensors).toBe(numTensors);
      const found = model.negativeLogJoint(tf.tensor2d(codes, [3, codes.length / 3]), examples);
      const check = tf.add(tf.sum(found.deviance, 1), tf.sum(found.negativeLogPrior, 1)).dataSync();
      costs.forEach((cost, i) => {
        expect(cost).toBeLessThanOrEqual(start[i]!);
        expect(cost).toBeCloseTo(check[i]!, 3);
      });
      expect(Math.min(...costs.map((cost, i) => cost - start[i]!))).toBeLessThan(0);
      const alone = findLikeliestCodes(model, {
        x: tf.slice(examples.x, [1, 0], [1, -1]),
        mask: tf.slice(examples.mask, [1, 0], [1, -1]),
        c: examples.c && tf.slice(examples.c, [1, 0], [1, -1]),
      });
      expect(alone.costs[0]).toBeCloseTo(costs[1]!, 4);
      disposeModel(model);
    });
  });

  test('statistics, codes and generated examples have their shapes and are finite', () => {
    scoped(() => {
      const model = create();
      const examples = examplesOf(3);
      const latentDim = model.latentDims.reduce((sum, n) => sum + n, 0);
      const { statistics, expected } = model.assess(examples);
      expect(Object.keys(statistics)).toEqual([...model.statistics]);
      const generated = model.generate(3, examples.c, createRandom(4), 1);
      const shapes: [tf.Tensor, number[]][] = [
        ...Object.values(statistics).map((t): [tf.Tensor, number[]] => [t, [3]]),
        [expected, [3, dim]],
        [model.encode(examples), [3, latentDim]],
        [generated, [3, dim]],
        ...model.activity(examples).map((t, l): [tf.Tensor, number[]] => [t, [model.latentDims[l]!]]),
      ];
      for (const [tensor, shape] of shapes) {
        expect(tensor.shape).toEqual(shape);
        expect(Array.from(tensor.dataSync()).every(Number.isFinite)).toBe(true);
      }
      const again = (temperature: number): number[] =>
        Array.from(model.generate(3, examples.c, createRandom(4), temperature).dataSync());
      expect(again(1)).toEqual(Array.from(generated.dataSync()));
      expect(again(0.5)).not.toEqual(again(1));
      disposeModel(model);
    });
  });
});
