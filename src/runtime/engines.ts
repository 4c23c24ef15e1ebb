/** What computes in this process: tfjs, which every model is written in, and ONNX Runtime, which runs what was traced from it. */
import type { EngineSettings } from '../config/settings';
import { openSession, whyNoOnnxRuntime, type OpenSession } from '../onnx/session';
import { startSessionThread } from '../onnx/worker-session';
import { openBackend, type BackendChoice } from '../tensor';

export interface EngineChoice {
  name: string;
  /** Why this one: never silent. */
  reason: string;
}

export interface Engines {
  /** tfjs and its backend: writes graphs, explains, and does whatever no graph can. */
  tensors: BackendChoice;
  /** What scores, where a version has a graph. */
  scoring: EngineChoice;
  /** What trains, where a model can be traced. */
  training: EngineChoice;
  /** Opens graphs that score; undefined where tfjs does. */
  openScoring: OpenSession | undefined;
  /** Opens graphs that train; undefined where tfjs does. */
  openTraining: OpenSession | undefined;
  close(): Promise<void>;
}

/** As a command has it that reads no daemon.yaml. */
export const usualEngines: EngineSettings = { scoring: 'auto', training: 'auto', tensors: 'auto' };

/**
 * Starts tfjs and looks for ONNX Runtime.
 * @param threaded whether what scores gets a thread of its own, so that nothing else has to wait for it
 * @throws Error when something that is asked for does not start, or not even tfjs does
 */
export async function openEngines(wanted: EngineSettings, { threaded = false } = {}): Promise<Engines> {
  const missing = await whyNoOnnxRuntime();
  for (const what of ['scoring', 'training'] as const) {
    if (wanted[what] === 'onnxruntime' && missing !== undefined)
      throw new Error(`engine.${what} is onnxruntime, which does not load here: ${missing}`);
  }
  const tensors = await openBackend(wanted.tensors);
  const choose = (what: 'scoring' | 'training'): EngineChoice => {
    if (wanted[what] === 'tfjs') return { name: `tfjs-${tensors.name}`, reason: `engine.${what}` };
    if (missing === undefined) return { name: 'onnxruntime', reason: 'first choice' };
    return { name: `tfjs-${tensors.name}`, reason: `onnxruntime does not load: ${missing}` };
  };
  const [scoring, training] = [choose('scoring'), choose('training')];
  const thread = threaded && scoring.name === 'onnxruntime' ? startSessionThread() : undefined;
  return {
    tensors,
    scoring,
    training,
    openScoring: scoring.name === 'onnxruntime' ? (thread?.openSession ?? openSession) : undefined,
    openTraining: training.name === 'onnxruntime' ? openSession : undefined,
    close: async () => thread?.close(),
  };
}
