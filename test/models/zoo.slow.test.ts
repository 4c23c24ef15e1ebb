/** All kinds of models, trained. */
import { disposeModel } from '../../src/models/model';
import { modelKinds, type AnyModelSpec } from '../../src/models/zoo';
import { collapsedLevels } from '../../src/training/report';
import { train } from '../../src/training/train';
import { createDataset, options } from './synthetic';
import { testTrainedModels, type Variant } from './trained-models';

testTrainedModels([
  ...modelKinds.map((kind): Variant => [kind, { kind }]),
  ['cvae with conv1d', { kind: 'cvae', network: 'conv1d', hidden: [16] }],
  ['vae with student-t', { kind: 'vae', likelihood: 'student-t' }],
]);

test.each([
  ['beta-vae', { kind: 'beta-vae', beta: 1000 }, [1]],
  ['hvae', { kind: 'hvae', levels: [2, 2], levelWeights: [1, 1000] }, [2]],
] as [string, Partial<AnyModelSpec>, number[]][])(
  'a collapsed posterior is reported: %s',
  async (_, model, levels) => {
    const { dataset, table } = createDataset(1500, 1);
    const { model: trained, report } = await train(dataset, table, {
      ...options,
      epochs: 15,
      batchSize: 128,
      learningRate: 2e-2,
      model: { ...options.model, ...model },
    });
    expect(collapsedLevels(report)).toEqual(levels);
    disposeModel(trained);
  },
);
