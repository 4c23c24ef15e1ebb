import { createHvae } from '../../src/models/hvae';
import { disposeModel } from '../../src/models/model';
import { createRandom, scoped, tf } from '../../src/tensor';
import { createFactorExamples, createSpec, trainSteps } from './spec';
import { openTestBackend } from '../backend';

beforeAll(async () => {
  await openTestBackend('wasm');
});

test('the levels carry information, and generated examples vary as much as real ones', () => {
  const spec = createSpec({ kind: 'hvae', conditionDim: 0 });
  const model = createHvae(spec, createRandom(1));
  trainSteps(model, 120);
  scoped(() => {
    const examples = createFactorExamples(spec, 256, 3);
    const rates = model.activity(examples).map((level) => tf.sum(level).dataSync()[0]!);
    expect(rates[0]! + rates[1]!).toBeGreaterThan(0.5);
    const spread = (x: tf.Tensor2D): number => tf.mean(tf.moments(x, 0).variance).dataSync()[0]!;
    const ratio = spread(model.generate(256, undefined, createRandom(4), 1)) / spread(examples.x);
    expect(ratio).toBeGreaterThan(0.3);
    expect(ratio).toBeLessThan(3);
  });
  disposeModel(model);
});
