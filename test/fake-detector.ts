/** A detector without a model, which scores windows with a function of the test. */
import { createBaselines, type BaselineReference } from '../src/calibration/baseline';
import { createWindowBatch, type WindowBatch, type WindowShape } from '../src/domain/window';
import type { RawScores } from '../src/scoring/assess';
import { rowOf, type Detector, type BaselinesOf, type Scores } from '../src/scoring/detector';

const nothing: RawScores = {
  statistics: {},
  contributions: new Float32Array(),
  meanErrors: new Float32Array(),
  expected: new Float32Array(),
  unknownConditions: 0,
};

export interface FakeDetectorParts {
  version: string;
  shape: WindowShape;
  scoresOf: (batch: WindowBatch, baselinesOf: BaselinesOf | undefined) => Omit<Scores, 'statisticsOf'>;
  /** Calibration scores of the statistics that have a baseline. */
  bases?: readonly BaselineReference[];
}

export function createFakeDetector({ version, shape, scoresOf, bases = [] }: FakeDetectorParts): Detector {
  const applyCalibration = (batch: WindowBatch, baselinesOf?: BaselinesOf): Scores => {
    const scores = scoresOf(batch, baselinesOf);
    return { ...scores, statisticsOf: (window) => rowOf(scores.statistics, window) };
  };
  return {
    version,
    state: { channels: Array.from({ length: shape.channels }, (_, i) => `channel-${i}`) } as never,
    shape,
    engine: 'none',
    assess: () => Promise.resolve(nothing),
    createBatch: (capacity) => createWindowBatch(shape, capacity),
    applyCalibration: (batch, _, baselinesOf) => applyCalibration(batch, baselinesOf),
    score: (batch, baselinesOf) => Promise.resolve().then(() => applyCalibration(batch, baselinesOf)),
    heat: () => Promise.resolve(new Float32Array()),
    createBaselines: (policy, snapshot) => createBaselines(bases, policy, snapshot),
    release: () => undefined,
    dispose: () => undefined,
  };
}
