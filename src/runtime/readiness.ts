/** State of a detector for /readyz: starting → obtaining a model → running → stopping, the last of them final. */
import type { DaemonSettings } from '../config/settings';
import type { Source } from '../sources/source';
import type { TrainingProgress } from './training-message';

export interface ReadinessReport {
  ready: boolean;
  reason: string;
}

type State =
  | { phase: 'starting' | 'stopping' }
  | { phase: 'obtaining model'; reason: string }
  | { phase: 'running'; failure: string | undefined };

export class Readiness {
  private state: State = { phase: 'starting' };

  constructor(
    private readonly role: DaemonSettings['role'],
    private readonly sourceReady: Source['ready'],
    /** Why the detector scores nothing of what it receives, if so. */
    private readonly scoringProblem: () => string | undefined = () => undefined,
  ) {}

  isStarting(): boolean {
    return this.state.phase === 'starting';
  }

  /** @param reason what the detector does about its missing model */
  obtainingModel(reason: string): void {
    this.enter({ phase: 'obtaining model', reason });
  }

  /** Progress of a training, which is of interest while there is no model. */
  training({ epoch, epochs }: Pick<TrainingProgress, 'epoch' | 'epochs'>): void {
    if (this.state.phase === 'obtaining model')
      this.state.reason = `training the first model (epoch ${epoch} of at most ${epochs})`;
  }

  running(): void {
    this.enter({ phase: 'running', failure: undefined });
  }

  stopping(): void {
    this.enter({ phase: 'stopping' });
  }

  /** @param failure why the newest batch failed: a detector that cannot reach its sink is not ready */
  batchEnded(failure?: string): void {
    if (this.state.phase === 'running') this.state.failure = failure;
  }

  report(): ReadinessReport {
    const { state } = this;
    if (state.phase === 'obtaining model') return { ready: false, reason: state.reason };
    if (state.phase !== 'running') return { ready: false, reason: state.phase };
    if (this.role === 'train') return { ready: true, reason: 'training' };
    const source = this.sourceReady();
    const problem = state.failure ?? this.scoringProblem();
    return source.ready && problem !== undefined ? { ready: false, reason: problem } : source;
  }

  private enter(next: State): void {
    if (this.state.phase !== 'stopping') this.state = next;
  }
}
