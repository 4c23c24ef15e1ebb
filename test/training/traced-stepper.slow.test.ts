/** Traced training steps of all kinds of model. */
import { modelKinds } from '../../src/models/zoo';
import { openTestBackend } from '../backend';
import { testSteppers, type Variant } from './stepper-comparison';

beforeAll(async () => {
  await openTestBackend('wasm');
});

testSteppers([
  ...modelKinds.map((kind): Variant => [kind, { kind }]),
  ['beta-vae with a capacity', { kind: 'beta-vae', capacity: 5, capacitySteps: 50 }],
  ['cvae with free bits', { kind: 'cvae', freeBits: 0.3 }],
  ['aae with a mixture', { kind: 'aae', prior: 'mixture' }],
  ['aae with a uniform prior', { kind: 'aae', prior: 'uniform' }],
  ['vae with student-t', { kind: 'vae', likelihood: 'student-t' }],
  ['cvae with conv1d', { kind: 'cvae', network: 'conv1d' }],
  ['vae with conv2d and bernoulli', { kind: 'vae', network: 'conv2d', likelihood: 'bernoulli' }],
  ['hvae with conv2d', { kind: 'hvae', network: 'conv2d', levels: [2, 3], levelFreeBits: [0.1, 0.2] }],
  [
    'vae with conv2d and discretised-logistic',
    { kind: 'vae', network: 'conv2d', likelihood: 'discretised-logistic' },
  ],
]);
