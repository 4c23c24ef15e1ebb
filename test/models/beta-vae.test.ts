import { disposeModel } from '../../src/models/model';
import { createModel } from '../../src/models/zoo';
import { createRandom, scoped } from '../../src/tensor';
import { createExamples, createSpec } from './spec';
import { openTestBackend } from '../backend';

beforeAll(async () => {
  await openTestBackend('wasm');
});

test('with β = 1 it equals the VAE', () => {
  scoped(() => {
    const losses = ['vae', 'beta-vae'].map((kind) => {
      const model = createModel(createSpec({ kind, beta: 1 }), createRandom(1));
      const { loss } = model.validationLoss(createExamples(model.spec, 8));
      disposeModel(model);
      return loss.dataSync()[0]!;
    });
    expect(losses[1]).toBe(losses[0]);
  });
});
