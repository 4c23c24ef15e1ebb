/** State of a detector for /readyz: starting → obtaining a model → running → stopping, the last of them final. */
import type { DaemonSettings } from '../config/settings';
import type { Source } from '../sources/source';
import type { TrainingProgress } from './training-message';

export interface ReadinessReport {
  ready: boolean;
  reason: string;
}

export interface Readiness {
  /** `reason` is what the detector does about its missing model. */
  obtainingModel(reason: string): void;
  /** Progress of a training, which is of interest while there is no model. */
  training(progress: Pick<TrainingProgress, 'epoch' | 'epochs'>): void;
  running(): void;
  stopping(): void;
  isStarting(): boolean;
  /** The newest batch failed and will be redelivered; a detector that cannot reach its sink is not ready. */
  batchFailed(reason: string): void;
  batchProcessed(): void;
  report(): ReadinessReport;
}

type State =
  | { phase: 'starting' }
  | { phase: 'obtaining model'; reason: string }
  | { phase: 'running'; failure: string | undefined }
  | { phase: 'stopping' };

export function createReadiness(role: DaemonSettings['role'], sourceReady: Source['ready']): Readiness {
  let state: State = { phase: 'starting' };
  const enter = (next: State): void => {
    if (state.phase !== 'stopping') state = next;
  };
  const setFailure = (failure: string | undefined): void => {
    if (state.phase === 'running') state.failure = failure;
  };

  return {
    obtainingModel: (reason) => enter({ phase: 'obtaining model', reason }),
    training({ epoch, epochs }) {
      if (state.phase === 'obtaining model')
        state.reason = `training the first model (epoch ${epoch} of at most ${epochs})`;
    },
    running: () => enter({ phase: 'running', failure: undefined }),
    stopping: () => enter({ phase: 'stopping' }),
    isStarting: () => state.phase === 'starting',
    batchFailed: (reason) => setFailure(reason),
    batchProcessed: () => setFailure(undefined),
    report() {
      if (state.phase === 'obtaining model') return { ready: false, reason: state.reason };
      if (state.phase !== 'running') return { ready: false, reason: state.phase };
      if (role === 'train') return { ready: true, reason: 'training' };
      const source = sourceReady();
      return source.ready && state.failure !== undefined ? { ready: false, reason: state.failure } : source;
    },
  };
}
