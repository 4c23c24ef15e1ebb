/** A detector without a model, which judges windows as a test says. */
import { createLevels, type LevelBase } from '../src/calibration/level';
import type { WindowBatch, WindowShape } from '../src/domain/window';
import type { RawScores } from '../src/scoring/assess';
import type { Detector, LevelsOf, Scores } from '../src/scoring/detector';

const nothing: RawScores = {
  statistics: {},
  parts: new Float32Array(),
  errors: new Float32Array(),
  expected: new Float32Array(),
  unknownConditions: 0,
};

export interface FakeDetectorParts {
  version: string;
  shape: WindowShape;
  judge: (batch: WindowBatch, levelsOf: LevelsOf | undefined) => Scores;
  /** Calibration scores of the statistics whose level is followed. */
  bases?: readonly LevelBase[];
}

export function createFakeDetector({ version, shape, judge, bases = [] }: FakeDetectorParts): Detector {
  return {
    version,
    state: undefined as never,
    shape,
    engine: 'none',
    assess: () => Promise.resolve(nothing),
    judge: (batch, _, levelsOf) => judge(batch, levelsOf),
    score: (batch, levelsOf) => Promise.resolve().then(() => judge(batch, levelsOf)),
    heat: () => Promise.resolve(new Float32Array()),
    createLevels: (policy, snapshot) => createLevels(bases, policy, snapshot),
    release: () => undefined,
    dispose: () => undefined,
  };
}
