/** Interruptions with other settings than those of partition.test.ts, and more of each. */
import { testInterruptions, testMarks } from './interruptions';

testInterruptions(
  [
    ['baselines', { baselines: true }],
    ['no baselines', { baselines: false }],
    ['an alarm budget', { gain: 10, eventsPerMs: 0.01 }],
    ['watched devices', { silence: true, eventsPerMs: 0.1 }],
    ['padded windows', { baselines: true, windows: { padding: 'missing' } }],
    ['filled gaps', { baselines: false, windows: { intervalMs: 4, gaps: 'fill' } }],
  ],
  40,
);
testMarks(25);
