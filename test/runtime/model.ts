import type { LoadedModel } from '../../src/runtime/model-loader';
import { createFakeDetector } from '../fake-detector';

/** A model that counts how often it is disposed. */
export function createModel(version: string): { model: LoadedModel; disposed: () => number } {
  let disposed = 0;
  const detector = {
    ...createFakeDetector({
      version,
      shape: { length: 1, channels: 1, conditions: 0 },
      scoresOf: () => {
        throw new Error('not scored here');
      },
    }),
    dispose() {
      disposed++;
    },
  };
  const facts = { target: 0.001, extremalIndex: 1, reach: 9 };
  return { model: { detector, threshold: 3, facts }, disposed: () => disposed };
}
