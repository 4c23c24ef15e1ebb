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
  /** Aborted as soon as there is a model: cancels the wait for one. */
  readonly filled = this.filling.signal;

  constructor(private readonly metrics: ModelSlotMetrics) {}

  current(): LoadedModel | undefined {
    return this.active;
  }

  version(): string | undefined {
    return this.active?.detector.version;
  }

  /** Whether the model in use scores until one of the configured kind is trained. */
  isColdStart(): boolean {
    return this.active?.coldStart === true;
  }

  /** Uses this model from the next batch on; the batch in progress finishes with the old one. */
  use(model: LoadedModel): void {
    const old = this.active?.detector;
    this.active = model;
    void Promise.allSettled([this.batch, this.other]).then(() => old?.dispose());
    const { version } = model.detector;
    this.metrics.modelLoaded(version, Date.parse(versionCreatedAt(version)));
    this.metrics.coldStart(this.isColdStart());
    this.filling.abort();
  }

  /** Decides with the model in use by other settings, from the next batch on. */
  adjust(model: LoadedModel): void {
    this.active = model;
  }

  /** Notes that a batch is in progress until the promise settles, and returns the promise. */
  scoring(batch: Promise<void>): Promise<void> {
    return (this.batch = batch);
  }

  /** Notes that other work uses the model until the promise settles, and returns the promise. */
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
