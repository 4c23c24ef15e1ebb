/** A small model of each kind, and examples for it. */
import type { Examples, ModelOptions, ModelSpec } from '../../src/models/model';
import { createRandom, tf } from '../../src/tensor';

/** Every option as the configuration has it by default, but small. */
export const modelOptions: ModelOptions = {
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
export function createSpec(changes: Partial<ModelSpec> = {}): ModelSpec {
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
