/** A detector without a model, which scores windows with a function of the test. */
import { createMemories } from '../src/calibration/memory';
import { createWindowBatch, type WindowBatch, type WindowShape } from '../src/domain/window';
import type { DeviceMemory, MemoryOf } from '../src/scoring/memory';
import type { RawScores } from '../src/scoring/assessor';
import { rowOf } from '../src/scoring/calibrated-batch';
import type { Detector, Scores } from '../src/scoring/detector';

const nothing: RawScores = {
  statistics: {},
  contributions: new Float32Array(),
  meanErrors: new Float32Array(),
  deviations: new Float32Array(),
  expected: new Float32Array(),
  deviance: new Float32Array(),
  expectedValues: new Float32Array(),
  oddness: new Float32Array(),
  unknownConditions: 0,
};

export type FakeScores = Omit<
  Scores,
  'statisticsOf' | 'aboveBaseline' | 'baselineOf' | 'writeValues' | 'markOf'
> &
  Partial<Pick<Scores, 'baselineOf' | 'markOf'>>;

export interface FakeDetectorParts {
  version: string;
  shape: WindowShape;
  scoresOf: (batch: WindowBatch, memoryOf: MemoryOf | undefined) => FakeScores;
}

export function createFakeDetector({ version, shape, scoresOf }: FakeDetectorParts): Detector {
  const applyCalibration = (batch: WindowBatch, memoryOf?: MemoryOf): Scores => {
    const scores = scoresOf(batch, memoryOf);
    return {
      aboveBaseline: scores.surprise,
      baselineOf: () => undefined,
      writeValues: (window, into, at) => writeNewest(batch, shape, window, into, at),
      markOf: () => [],
      ...scores,
      statisticsOf: (window) => rowOf(scores.statistics, window),
    };
  };
  return {
    version,
    state: { channels: Array.from({ length: shape.channels }, (_, i) => `channel-${i}`) } as never,
    shape,
    engine: 'none',
    assess: () => Promise.resolve(nothing),
    createBatch: (capacity) => createWindowBatch(shape, capacity),
    applyCalibration: (batch, _, memoryOf) => applyCalibration(batch, memoryOf),
    score: (batch, memoryOf) => Promise.resolve().then(() => applyCalibration(batch, memoryOf)),
    heat: () => Promise.resolve({ ofPixels: new Float32Array(), low: 1, high: undefined, regions: [] }),
    createMemories: (policy, snapshot) => createMemories(2, createFakeMemory, policy, snapshot),
    release: () => undefined,
    dispose: () => undefined,
  };
}

/** The newest record of a window, which is what is expected of it. */
function writeNewest(
  { values }: WindowBatch,
  { length, channels }: WindowShape,
  window: number,
  into: Float32Array,
  at: number,
): void {
  const from = (window * length + length - 1) * channels;
  for (const place of [at, at + channels]) into.set(values.subarray(from, from + channels), place);
}

/** Cells: records seen, and an exponential mean of the evidence. The channel has a new normal with each fortieth record. */
function createFakeMemory(cells: Float64Array): DeviceMemory {
  return {
    get seen() {
      return cells[0]!;
    },
    enter() {
      cells[0]!++;
    },
    get newNormal() {
      return cells[0]! % 40 === 0 ? ['value'] : [];
    },
    recall: () => undefined,
    means: () => undefined,
    rise(evidence) {
      const before = cells[1]!;
      cells[1] = before + (evidence - before) / 50;
      return before;
    },
    linearMean: () => 0,
    slow: () => 0,
    context: () => NaN,
    mark: () => [cells[1]!],
    accept(records) {
      cells[1]! += records / 100;
    },
    undo(_, mark) {
      cells[1] = mark[0] ?? cells[1]!;
    },
  };
}
