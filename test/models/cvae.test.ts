import { disposeModel, type Examples } from '../../src/models/model';
import { createCvae } from '../../src/models/cvae';
import { createRandom, scoped, tf } from '../../src/tensor';
import { createExamples, createSpec } from './spec';
import { openTestBackend } from '../backend';

beforeAll(async () => {
  await openTestBackend('cpu');
});

test('the prior depends on the condition', () => {
  scoped(() => {
    const spec = createSpec();
    const model = createCvae(spec, createRandom(1));
    const one = createExamples(spec, 1);
    const other = { ...one, c: tf.mul<tf.Tensor2D>(one.c!, -3) };
    const latent = (examples: Examples): number =>
      model.assess(examples).statistics['latent']!.dataSync()[0]!;
    expect(latent(one)).not.toBeCloseTo(latent(other), 3);
    disposeModel(model);
  });
});

test('without conditions it is a VAE with one learned prior', () => {
  scoped(() => {
    const spec = createSpec({ conditionDim: 0 });
    const model = createCvae(spec, createRandom(1));
    const { statistics } = model.assess(createExamples(spec, 2));
    expect(statistics['latent']!.shape).toEqual([2]);
    expect(Array.from(statistics['reconstruction']!.dataSync()).every(Number.isFinite)).toBe(true);
    disposeModel(model);
  });
});

test('free bits are the least cost of a dimension', () => {
  scoped(() => {
    const free = createCvae(createSpec({ freeBits: 50 }), createRandom(1));
    const { loss, distortion } = free.validationLoss(createExamples(free.spec, 8));
    expect(loss.dataSync()[0]! - distortion.dataSync()[0]!).toBeCloseTo(2 * 50, 3);
    disposeModel(free);
  });
});
