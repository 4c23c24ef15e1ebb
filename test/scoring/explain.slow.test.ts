/** Explanations of all kinds of model except the default one, which is in explain.test.ts. */
import { modelKinds } from '../../src/models/zoo';
import { testExplanations, type Variant } from './explanations';

testExplanations([
  ...modelKinds.filter((kind) => kind !== 'cvae').map((kind): Variant => [kind, { kind }]),
  ['cvae with student-t', { kind: 'cvae', likelihood: 'student-t' }],
  ['cvae with conv1d', { kind: 'cvae', network: 'conv1d', hidden: [16] }],
]);
