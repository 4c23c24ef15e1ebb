/** Interruptions with further kinds of windows; partition.test.ts has the default kind. */
import { testInterruptions } from './interruptions';

testInterruptions([
  ['padded windows', { baselines: true, windows: { padding: 'missing' } }],
  ['filled gaps', { baselines: false, windows: { intervalMs: 4, gaps: 'fill' } }],
]);
