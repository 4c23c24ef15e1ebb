/** A loaded model version: computes the surprise of windows. */
import type { MemoryPolicy, MemorySnapshot } from '../calibration/memory';
import type { CategoryTable } from '../domain/condition';
import type { Contribution } from '../domain/detection';
import { completeWindow, type WindowBatch, type WindowShape } from '../domain/window';
import type { OddImage } from '../domain/witnessed-record';
import { disposeModel, type Model } from '../models/model';
import { createAssessor } from './assess';
import type { Assessor, RawScores } from './assessor';
import { createBatchCalibration, type CalibratedBatch } from './calibrated-batch';
import { createChannelStatistic } from './channels';
import type { OpenEngine } from './engine';
import {
  createChannelExplanations,
  createImageExplanations,
  type Explanation,
  type ImageExplanations,
} from './explanations';
import { createGroupReader } from './group';
import { createMemoryFactory, type DeviceMemories, type MemoryOf } from './memory';
import type { Heat } from './oddness';
import { createVersionBatch, type VersionState } from './version-state';

/** Calibrated scores of a batch of windows. */
export interface Scores extends CalibratedBatch {
  count: number;
  /** Number of conditions with a category that training has not seen. */
  unknownConditions: number;
  /** The contribution of each channel of one window, the most unusual first; for an image, that of its odd regions. */
  contributions(window: number): Contribution[];
  /**
   * Writes the actual value of each channel in the newest record of a window, followed by the expected values, as in the
   * contributions. Shape [2 × channels].
   */
  writeValues(window: number, into: Float32Array, at: number): void;
  /**
   * Compares one window with its nearest normal, which takes milliseconds to find. The contributions sum to
   * `nearestNormal.reconstruction`. Repeatable.
   */
  explain(window: number): Explanation;
  /** Keeps the data needed to draw where an image is odd, even after the batch has changed. Absent for windows of records. */
  keepImage?(window: number): OddImage;
}

export interface Detector {
  readonly version: string;
  readonly state: VersionState;
  readonly shape: WindowShape;
  /** Name of the engine that scores. */
  readonly engine: string;
  /**
   * A batch with buffers for encoded windows, so that a window store can encode record by record.
   * @param mayDefer whether raw records may be copied only when they are needed
   */
  createBatch(capacity: number, mayDefer?: boolean): WindowBatch;
  /**
   * Runs the model. Repeatable: the scores of a window do not depend on its batch. Until `applyCalibration` has returned, the
   * batch must not change or be assessed again.
   */
  assess(batch: WindowBatch): Promise<RawScores>;
  /** With memories, batches must come in the order of their records. */
  applyCalibration(batch: WindowBatch, raw: RawScores, memoryOf?: MemoryOf): Scores;
  /** Runs `assess`, then `applyCalibration`. */
  score(batch: WindowBatch, memoryOf?: MemoryOf): Promise<Scores>;
  /** How odd each place of an image is, for the first window of the batch. @throws Error unless windows are images */
  heat(batch: WindowBatch): Promise<Heat>;
  /** Creates the memories of devices. They begin with the state at the end of the history. */
  createMemories(policy: MemoryPolicy, snapshot?: MemorySnapshot): DeviceMemories;
  /** Disposes the engine but not the model. */
  release(): void;
  /** Disposes engine and model. */
  dispose(): void;
}

export function createDetector(
  version: string,
  state: VersionState,
  model: Model,
  table: CategoryTable,
  openEngine?: OpenEngine,
): Detector {
  const { image } = state;
  const assessor = createAssessor(state, model, table, openEngine);
  const { shape, scaler, encoder, engine, tiles } = assessor;
  const channel = createChannelStatistic(state.channelCalibrations);
  const calibrate = createBatchCalibration(state, assessor, channel, createGroupReader(state, table));
  const ofImages: ImageExplanations | undefined =
    image && createImageExplanations({ ...state, image }, model, assessor);
  const explanations = ofImages ?? createChannelExplanations(state, model, assessor, channel);
  const writeValues = createValueWriter(state, assessor);

  function applyCalibration(batch: WindowBatch, raw: RawScores, memoryOf?: MemoryOf): Scores {
    return {
      count: batch.count,
      ...calibrate(batch, raw, memoryOf),
      unknownConditions: raw.unknownConditions,
      contributions(window) {
        completeWindow(batch, window);
        return explanations.contributions(batch, raw, window);
      },
      writeValues: (window, into, at) => writeValues(batch, raw.expected, window, into, at),
      explain(window) {
        completeWindow(batch, window);
        return explanations.explain(batch, raw, window);
      },
      ...(ofImages && { keepImage: (window) => ofImages.keepImage(batch, raw, window) }),
    };
  }

  return {
    version,
    state,
    shape,
    engine: engine.name,
    createBatch: (capacity, mayDefer) =>
      createVersionBatch(
        state,
        capacity,
        tiles ? undefined : encoder.createBuffers(capacity, engine.onThread),
        mayDefer,
      ),
    assess: (batch) => assessor.assess(batch),
    applyCalibration,
    score: async (batch, memoryOf) => applyCalibration(batch, await assessor.assess(batch), memoryOf),
    async heat(batch) {
      if (ofImages === undefined) throw new Error('only images have a heat map');
      return ofImages.heatOf(await assessor.assess(batch), 0);
    },
    createMemories: createMemoryFactory(state, scaler),
    release: () => engine.dispose(),
    dispose() {
      engine.dispose();
      disposeModel(model);
    },
  };
}

/**
 * @returns a function that writes the values of a window as in `Scores.writeValues`; `expected` is that of the batch, scaled
 */
function createValueWriter({ channels }: VersionState, { shape, scaler, channelMap }: Assessor) {
  const valuesPerWindow = shape.length * shape.channels;
  return (
    { values, recalled: { shifts } }: WindowBatch,
    expected: Float32Array,
    window: number,
    into: Float32Array,
    at: number,
  ): void => {
    channelMap.writeActual(values, window * valuesPerWindow, into, at);
    for (let j = 0; j < channels.length; j++) {
      const shift = shifts[window * channels.length + j] ?? 0;
      const scaled = expected[window * channels.length + j]! + shift;
      into[at + channels.length + j] = scaler.unscale(scaled, j % scaler.channels);
    }
  };
}
