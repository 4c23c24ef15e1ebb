import { createHvae } from '../../src/models/hvae';
import { disposeModel, type Model } from '../../src/models/model';
import { createRandom, scoped, tf } from '../../src/tensor';
import { createExamples, createSpec } from './spec';
import { openTestBackend } from '../backend';

beforeAll(async () => {
  await openTestBackend('wasm');
});

const silence = (model: Model, prefix: string): void => {
  for (const [name, variable] of model.weights)
    if (name.startsWith(prefix)) variable.assign(tf.zerosLike(variable));
};

test('the loss is distortion plus the weighted rate of each level', () => {
  scoped(() => {
    const parts = (levelWeights: number[]): { loss: number; distortion: number; rate: number } => {
      const model = createHvae(createSpec({ kind: 'hvae', levelWeights }), createRandom(1));
      const { loss, distortion, rate } = model.validationLoss(createExamples(model.spec, 6));
      disposeModel(model);
      return { loss: loss.dataSync()[0]!, distortion: distortion.dataSync()[0]!, rate: rate.dataSync()[0]! };
    };
    const [plain, upper, lower] = [parts([]), parts([1, 0]), parts([0, 1])];
    expect(plain.loss).toBeCloseTo(plain.distortion + plain.rate, 4);
    expect(upper.loss + lower.loss).toBeCloseTo(2 * plain.distortion + plain.rate, 4);
    expect(upper.loss).not.toBeCloseTo(lower.loss, 2);
  });
});

test('llr is 0 if the lower level equals its prior', () => {
  scoped(() => {
    const model = createHvae(createSpec({ kind: 'hvae' }), createRandom(1));
    silence(model, 'posterior/2');
    silence(model, 'prior/2');
    const { llr } = model.assess(createExamples(model.spec, 6)).statistics;
    llr!.dataSync().forEach((value) => expect(value).toBeCloseTo(0, 4));
    disposeModel(model);
  });
});
