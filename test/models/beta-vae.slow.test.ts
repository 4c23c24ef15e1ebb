import { disposeModel } from '../../src/models/model';
import { createModel, type AnyModelSpec } from '../../src/models/zoo';
import { createRandom, scoped } from '../../src/tensor';
import { createFactorExamples, createSpec, trainSteps } from './spec';
import { openTestBackend } from '../backend';

beforeAll(async () => {
  await openTestBackend('wasm');
});

/** Rate, distortion and units in use after training. */
function trained(changes: Partial<AnyModelSpec>): { rate: number; distortion: number; active: number } {
  const spec = createSpec({ kind: 'beta-vae', conditionDim: 0, latentDim: 3, ...changes });
  const model = createModel(spec, createRandom(1));
  trainSteps(model, 150);
  const result = scoped(() => {
    const held = createFactorExamples(spec, 256, 3);
    const { rate, distortion } = model.validationLoss(held);
    return {
      rate: rate.dataSync()[0]!,
      distortion: distortion.dataSync()[0]!,
      active: model
        .activity(held)[0]!
        .dataSync()
        .filter((value) => value > 0.01).length,
    };
  });
  disposeModel(model);
  return result;
}

test('the larger β, the lower the rate, the higher the distortion and the fewer units in use', () => {
  const [low, one, high] = [0.1, 1, 8].map((beta) => trained({ beta }));
  expect(low!.rate).toBeGreaterThan(1.1 * one!.rate);
  expect(one!.rate).toBeGreaterThan(1.1 * high!.rate);
  expect(low!.distortion).toBeLessThan(one!.distortion);
  expect(one!.distortion).toBeLessThan(high!.distortion);
  expect(high!.active).toBeLessThanOrEqual(2);
});

test('the rate approaches the capacity', () => {
  const { rate } = trained({ beta: 20, capacity: 3, capacitySteps: 100 });
  expect(Math.abs(rate - 3)).toBeLessThan(0.5);
});

test('free bits keep a dimension in use that β closes', () => {
  expect(trained({ beta: 1e4 }).active).toBe(0);
  const { active, rate } = trained({ beta: 1e4, freeBits: 0.5 });
  expect(active).toBe(3);
  expect(rate).toBeGreaterThan(1);
});
