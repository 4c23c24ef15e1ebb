import { createModel, modelKinds } from '../../src/models/zoo';
import { createRandom } from '../../src/tensor';
import { createSpec } from './spec';

test('an unknown kind is refused with a list of the known ones', () => {
  expect(() => createModel(createSpec({ kind: 'gan' }), createRandom(1))).toThrow(
    `no model is called "gan"; there is vae, ${modelKinds.slice(1).join(', ')}`,
  );
});
