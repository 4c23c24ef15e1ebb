/** Explanations of all kinds of model. */
import { modelKinds } from '../../src/models/zoo';
import { testExplanations, type Variant } from './explanations';

testExplanations([
  ...modelKinds.map((kind): Variant => [kind, { kind }]),
  ['cvae with student-t', { kind: 'cvae', likelihood: 'student-t' }],
  ['cvae with conv1d', { kind: 'cvae', network: 'conv1d', hidden: [16] }],
]);
