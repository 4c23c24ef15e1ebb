/** State of a detector for /readyz: starting → obtaining a model → running → stopping. The last state is final. */
import type { DaemonSettings } from '../config/settings';
import type { Source } from '../sources/source';
import type { TrainingProgress } from './training-message';

export interface ReadinessReport {
  ready: boolean;
  reason: string;
}

type State =
  { phase: 'starting' | 'obtaining model' | 'stopping' } | { phase: 'running'; failure: string | undefined };

export class Readiness {
  private state: State = { phase: 'starting' };
  /** The present step towards a first model. */
  private pending = '';

  constructor(
    private readonly role: DaemonSettings['role'],
    private readonly sourceReady: Source['ready'],
    /** Reason why the detector scores none of the records that it receives, if so. */
    private readonly scoringProblem: () => string | undefined = () => undefined,
    /** Whether a linear model scores until the configured one is trained. */
    private readonly isColdStart: () => boolean = () => false,
  ) {}

  isStarting(): boolean {
    return this.state.phase === 'starting';
  }

  /** @param reason the present step towards a first model */
  obtainingModel(reason: string): void {
    this.pending = reason;
    this.enter({ phase: 'obtaining model' });
  }

  /** As `obtainingModel`, while a cold start scores. */
  awaitingModel(reason: string): void {
    this.pending = reason;
  }

  /** Progress of a training, which is shown while there is no model. */
  training({ epoch, epochs }: Pick<TrainingProgress, 'epoch' | 'epochs'>): void {
    this.pending = `training the first model (epoch ${epoch} of at most ${epochs})`;
  }

  running(): void {
    this.enter({ phase: 'running', failure: undefined });
  }

  stopping(): void {
    this.enter({ phase: 'stopping' });
  }

  /** @param failure why the newest batch failed. A detector that cannot reach its sink is not ready */
  batchEnded(failure?: string): void {
    if (this.state.phase === 'running') this.state.failure = failure;
  }

  report(): ReadinessReport {
    const { state } = this;
    if (state.phase === 'obtaining model') return { ready: false, reason: this.pending };
    if (state.phase !== 'running') return { ready: false, reason: state.phase };
    if (this.role === 'train') return { ready: true, reason: 'training' };
    const source = this.sourceReady();
    const problem = state.failure ?? this.scoringProblem();
    if (!source.ready) return source;
    if (problem !== undefined) return { ready: false, reason: problem };
    if (!this.isColdStart()) return source;
    return { ready: true, reason: ['cold start', this.pending].filter(Boolean).join('; ') };
  }

  private enter(next: State): void {
    if (this.state.phase !== 'stopping') this.state = next;
  }
}
