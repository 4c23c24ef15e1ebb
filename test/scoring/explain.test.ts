/** Explanations of the default kind of model; explain.slow.test.ts has the others. */
import { testExplanations } from './explanations';

testExplanations([['cvae', { kind: 'cvae' }]]);
