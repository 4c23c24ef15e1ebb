import type { ActiveDetector } from '../../src/pipeline/pipeline';
import { createFakeDetector } from '../fake-detector';

/** A model that counts how often it is disposed. */
export function createModel(version: string): { model: ActiveDetector; disposed: () => number } {
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
  return { model: { detector, threshold: 3 }, disposed: () => disposed };
}
