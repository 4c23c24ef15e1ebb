/** The engines of this process: tfjs, which all models are written for, and ONNX Runtime, which runs traced graphs. */
import type { EngineSettings } from '../config/settings';
import { openSession, whyNoOnnxRuntime } from '../onnx/session';
import { startSessionThread } from '../onnx/worker-session';
import { openBackend } from '../tensor';

export type Engines = Awaited<ReturnType<typeof openEngines>>;

/** Engines of commands that read no daemon.yaml. */
export const usualEngines: EngineSettings = { scoring: 'auto', training: 'auto', tensors: 'auto' };

/**
 * Starts tfjs, and ONNX Runtime if it is available.
 * @param threaded whether scoring runs on a separate thread, so that it does not block the event loop
 * @throws Error if tfjs or a requested engine does not load
 */
export async function openEngines(wanted: EngineSettings, { threaded = false } = {}) {
  const missing = await whyNoOnnxRuntime();
  for (const what of ['scoring', 'training'] as const) {
    if (wanted[what] === 'onnxruntime' && missing !== undefined)
      throw new Error(`engine.${what} is onnxruntime, which does not load here: ${missing}`);
  }
  const tensors = await openBackend(wanted.tensors);
  /** Name of the chosen engine, and the reason for the choice, for the log. */
  const choose = (what: 'scoring' | 'training') => {
    if (wanted[what] === 'tfjs') return { name: `tfjs-${tensors.name}`, reason: `engine.${what}` };
    if (missing === undefined) return { name: 'onnxruntime', reason: 'first choice' };
    return { name: `tfjs-${tensors.name}`, reason: `onnxruntime does not load: ${missing}` };
  };
  const [scoring, training] = [choose('scoring'), choose('training')];
  const thread = threaded && scoring.name === 'onnxruntime' ? startSessionThread() : undefined;
  return {
    /** tfjs and its backend: traces graphs, computes explanations, and runs models without a graph. */
    tensors,
    /** Scores versions that have a graph. */
    scoring,
    /** Trains models that can be traced. */
    training,
    /** Opens graphs that score; undefined if tfjs scores. */
    openScoring: scoring.name === 'onnxruntime' ? (thread?.openSession ?? openSession) : undefined,
    /** Opens graphs that train; undefined if tfjs trains. */
    openTraining: training.name === 'onnxruntime' ? openSession : undefined,
    /** Health of the scoring thread; undefined if there is none. */
    threadHealth: thread && (() => thread.health()),
    close: async () => thread?.close(),
  };
}
