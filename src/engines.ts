/** What computes in this process: tfjs, which every model is written in, and ONNX Runtime, which runs what was traced from it. */
import { openSession, whyNoOnnxRuntime, type OpenSession } from './onnx/session';
import { openBackend, type BackendChoice } from './tensor';

export interface EngineChoice {
  name: string;
  /** Why this one: never silent. */
  reason: string;
}

export interface Engines {
  /** tfjs and its backend. */
  tensors: BackendChoice;
  /** What scores and trains where a graph could be traced; else tfjs does. */
  graphs: EngineChoice;
  /** Opens graphs; undefined where nothing runs them. */
  openSession: OpenSession | undefined;
}

/**
 * Starts tfjs and looks for ONNX Runtime.
 * @throws Error when not even tfjs starts
 */
export async function openEngines(): Promise<Engines> {
  const tensors = await openBackend();
  const missing = await whyNoOnnxRuntime();
  if (missing === undefined) {
    return { tensors, graphs: { name: 'onnxruntime', reason: 'first choice' }, openSession };
  }
  const reason = `onnxruntime: ${missing}; ${tensors.reason}`;
  return { tensors, graphs: { name: tensors.name, reason }, openSession: undefined };
}
