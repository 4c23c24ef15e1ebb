/** A detector without a model, which judges windows as a test says. */
import { createBaselines, type BaselineReference } from '../src/calibration/baseline';
import { createWindowBatch, type WindowBatch, type WindowShape } from '../src/domain/window';
import type { RawScores } from '../src/scoring/assess';
import { rowOf, type Detector, type BaselinesOf, type Scores } from '../src/scoring/detector';

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
  judge: (batch: WindowBatch, levelsOf: BaselinesOf | undefined) => Omit<Scores, 'statisticsOf'>;
  /** Calibration scores of the statistics whose level is followed. */
  bases?: readonly BaselineReference[];
}

export function createFakeDetector({ version, shape, judge, bases = [] }: FakeDetectorParts): Detector {
  const judgeAll = (batch: WindowBatch, levelsOf?: BaselinesOf): Scores => {
    const scores = judge(batch, levelsOf);
    return { ...scores, statisticsOf: (window) => rowOf(scores.statistics, window) };
  };
  return {
    version,
    state: undefined as never,
    shape,
    engine: 'none',
    assess: () => Promise.resolve(nothing),
    createBatch: (capacity) => createWindowBatch(shape, capacity),
    judge: (batch, _, levelsOf) => judgeAll(batch, levelsOf),
    score: (batch, levelsOf) => Promise.resolve().then(() => judgeAll(batch, levelsOf)),
    heat: () => Promise.resolve(new Float32Array()),
    createBaselines: (policy, snapshot) => createBaselines(bases, policy, snapshot),
    release: () => undefined,
    dispose: () => undefined,
  };
}
