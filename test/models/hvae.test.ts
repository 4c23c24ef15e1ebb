import { createHvae } from '../../src/models/hvae';
import { disposeModel, type Model } from '../../src/models/model';
import { createRandom, scoped, tf } from '../../src/tensor';
import { createExamples, createFactorExamples, createSpec, trainSteps } from './spec';
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
