import { createAae } from '../../src/models/aae';
import { disposeModel, type Model } from '../../src/models/model';
import { createPrior } from '../../src/models/prior';
import { createRandom, scoped, tf } from '../../src/tensor';
import { createFactorExamples, createSpec, trainSteps } from './spec';
import { openTestBackend } from '../backend';

beforeAll(async () => {
  await openTestBackend('wasm');
});

/** Energy distance of two samples (Székely 2004): 0 where they come from one distribution. */
function energyDistance(a: tf.Tensor2D, b: tf.Tensor2D): number {
  const between = (p: tf.Tensor2D, q: tf.Tensor2D): tf.Scalar =>
    tf.mean(tf.norm(tf.sub(tf.expandDims(p, 1), tf.expandDims(q, 0)), 2, 2));
  return scoped(() => tf.sub(tf.mul(between(a, b), 2), tf.add(between(a, a), between(b, b))).dataSync()[0]!);
}

describe('the codes approach the prior during training', () => {
  const steps = 300;
  const spec = createSpec({ kind: 'aae', latentDim: 2, hidden: [16], mixtureModes: 3, conditionDim: 0 });
  let withoutAdversary: Model;

  beforeAll(() => {
    withoutAdversary = createAae(spec, createRandom(1));
    trainSteps({ ...withoutAdversary, phases: withoutAdversary.phases.slice(0, 1) }, steps);
  });
  afterAll(() => disposeModel(withoutAdversary));

  test.each(['normal', 'mixture', 'uniform', 'swiss-roll'] as const)('%s', (prior) => {
    const model = createAae({ ...spec, prior }, createRandom(1));
    trainSteps(model, steps);
    const distance = (one: Model): number =>
      scoped(() => {
        const drawn = createPrior({ ...spec, prior }).draw(256, createRandom(3));
        return energyDistance(one.encode(createFactorExamples(spec, 256, 4)), drawn);
      });
    expect(distance(model)).toBeLessThan(0.5 * distance(withoutAdversary));
    disposeModel(model);
  });
});
