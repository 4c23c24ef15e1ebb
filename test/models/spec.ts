/** A small model of each kind, and examples for it. */
import type { Examples, Model, ModelSpec } from '../../src/models/model';
import type { AnyModelSpec } from '../../src/models/zoo';
import { createOptimizer, trainStep } from '../../src/models/train-step';
import { createRandom, tf } from '../../src/tensor';

/** Every option as the configuration has it by default, but small. */
export const modelOptions: Omit<AnyModelSpec, 'length' | 'width' | 'channels' | 'conditionDim'> = {
  kind: 'cvae',
  network: 'mlp',
  hidden: [8],
  likelihood: 'gaussian',
  minVariance: 1e-3,
  maxVariance: 10,
  degreesOfFreedom: 4,
  latentDim: 2,
  beta: 4,
  betaSchedule: 'constant',
  betaSteps: 1000,
  capacity: 0,
  capacitySteps: 1000,
  freeBits: 0,
  prior: 'normal',
  mixtureModes: 8,
  levels: [2, 3],
  levelWeights: [],
  levelFreeBits: [],
  llrLevels: 1,
};

/** Windows of three records and two channels, given four numbers. */
export function createSpec(changes: Partial<AnyModelSpec> = {}): AnyModelSpec {
  return { ...modelOptions, length: 3, width: 1, channels: 2, conditionDim: 4, ...changes };
}

export function createExamples(spec: ModelSpec, count: number, seed = 5): Examples {
  const random = createRandom(seed);
  const dim = spec.length * spec.channels;
  return {
    x: random.normalTensor([count, dim]),
    mask: tf.ones([count, dim]),
    c: spec.conditionDim === 0 ? undefined : random.normalTensor([count, spec.conditionDim]),
  };
}

/** Examples that two hidden factors explain, with a little noise: something that a code can be learned of. */
export function createFactorExamples(spec: ModelSpec, count: number, seed = 5): Examples {
  const random = createRandom(seed);
  const dim = spec.length * spec.channels;
  return tf.tidy(() => {
    // The same factors for every seed of the examples.
    const loadings = createRandom(1).normalTensor([2, dim]);
    const x = tf.add<tf.Tensor2D>(
      tf.matMul(random.normalTensor([count, 2]), loadings),
      tf.mul(random.normalTensor([count, dim]), 0.2),
    );
    const c = spec.conditionDim === 0 ? undefined : tf.zeros<tf.Rank.R2>([count, spec.conditionDim]);
    return { x, mask: tf.ones<tf.Rank.R2>([count, dim]), c };
  });
}

/** Steps of every phase on fresh examples, as training takes them. */
export function trainSteps(model: Model, steps: number, from = 0): void {
  const optimizers = model.phases.map((phase) => createOptimizer(phase, 2e-2));
  const random = createRandom(21 + from);
  for (let step = from; step < from + steps; step++) {
    const examples = createFactorExamples(model.spec, 64, 100 + step);
    model.phases.forEach((phase, i) => trainStep(phase, optimizers[i]!, examples, random, step));
    disposeExamples(examples);
  }
}

export function disposeExamples({ x, mask, c }: Examples): void {
  tf.dispose([x, mask]);
  c?.dispose();
}
