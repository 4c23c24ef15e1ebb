/** The model version in use. A new one takes effect between two batches; the old one is disposed when no batch uses it. */
import type { DetectorMetrics } from '../metrics/metrics';
import { versionCreatedAt } from '../store/version-name';
import type { LoadedModel } from './model-loader';

export type ModelSlotMetrics = Pick<DetectorMetrics, 'modelLoaded' | 'coldStart'>;

export class ModelSlot {
  private active: LoadedModel | undefined;
  private batch: Promise<void> = Promise.resolve();
  private other: Promise<unknown> = Promise.resolve();
  private readonly filling = new AbortController();
  /** Aborted as soon as there is a model; cancels the wait for one. */
  readonly filled = this.filling.signal;

  constructor(private readonly metrics: ModelSlotMetrics) {}

  current(): LoadedModel | undefined {
    return this.active;
  }

  version(): string | undefined {
    return this.active?.detector.version;
  }

  /** Whether the model in use scores only until one of the configured kind is trained. */
  isColdStart(): boolean {
    return this.active?.coldStart === true;
  }

  /** Uses this model from the next batch on. The batch in progress finishes with the old one. */
  use(model: LoadedModel): void {
    const old = this.active?.detector;
    this.active = model;
    void Promise.allSettled([this.batch, this.other]).then(() => old?.dispose());
    const { version } = model.detector;
    this.metrics.modelLoaded(version, Date.parse(versionCreatedAt(version)));
    this.metrics.coldStart(this.isColdStart());
    this.filling.abort();
  }

  /** Applies other settings to the model in use, from the next batch on. */
  adjust(model: LoadedModel): void {
    this.active = model;
  }

  /** Marks a batch as in progress until the promise settles, and returns the promise. */
  scoring(batch: Promise<void>): Promise<void> {
    return (this.batch = batch);
  }

  /** Keeps the model until the promise of other work that uses it settles, and returns the promise. */
  borrowed<T>(work: Promise<T>): Promise<T> {
    this.other = Promise.allSettled([this.other, work]);
    return work;
  }

  /** Disposes the model in use. */
  empty(): void {
    this.active?.detector.dispose();
    this.active = undefined;
  }
}
