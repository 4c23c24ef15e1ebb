import { createAae } from '../../src/models/aae';
import { disposeModel } from '../../src/models/model';
import { createPrior } from '../../src/models/prior';
import { createRandom, scoped, tf } from '../../src/tensor';
import { createFactorExamples, createSpec } from './spec';
import { openTestBackend } from '../backend';

beforeAll(async () => {
  await openTestBackend('wasm');
});

test('the latent statistic is −log density of the chosen prior', () => {
  scoped(() => {
    const spec = createSpec({ kind: 'aae', prior: 'mixture' });
    const model = createAae(spec, createRandom(1));
    const examples = createFactorExamples(spec, 5);
    const expected = tf.sum(createPrior(spec).negativeLogPrior(model.encode(examples)), 1).dataSync();
    expect(model.assess(examples).statistics['latent']!.dataSync()).toEqual(expected);
    disposeModel(model);
  });
});

test('an undecided discriminator has a loss of 2·log 2, and regularisation one of log 2', () => {
  scoped(() => {
    const spec = createSpec({ kind: 'aae' });
    const model = createAae(spec, createRandom(1));
    for (const [name, variable] of model.weights)
      if (name.startsWith('discriminator/')) variable.assign(tf.zerosLike(variable));
    const [, discriminator, regularisation] = model.phases;
    const examples = createFactorExamples(spec, 5);
    const loss = (phase: typeof discriminator): number =>
      phase!.loss(examples, createRandom(2), tf.scalar(0)).dataSync()[0]!;
    expect(loss(discriminator)).toBeCloseTo(2 * Math.log(2), 6);
    expect(loss(regularisation)).toBeCloseTo(Math.log(2), 6);
    disposeModel(model);
  });
});
