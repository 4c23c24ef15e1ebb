/** The model version in use. A new one takes effect between two batches; the old one is disposed when no batch uses it. */
import type { DetectorMetrics } from '../metrics/metrics';
import type { ActiveDetector } from '../pipeline/pipeline';
import { versionCreatedAt } from '../store/version-name';

export interface ModelSlot {
  current(): ActiveDetector | undefined;
  version(): string | undefined;
  /** Aborted as soon as there is a model: cancels the wait for one. */
  readonly filled: AbortSignal;
  /** Uses this model from the next batch on; the batch in progress finishes with the old one. */
  use(model: ActiveDetector): void;
  /** Notes that a batch is in progress until the promise settles, and returns the promise. */
  scoring(batch: Promise<void>): Promise<void>;
  /** Disposes the model in use. */
  empty(): void;
}

export function createModelSlot(metrics: Pick<DetectorMetrics, 'modelLoaded'>): ModelSlot {
  let active: ActiveDetector | undefined;
  let batch: Promise<void> = Promise.resolve();
  const filled = new AbortController();
  return {
    current: () => active,
    version: () => active?.detector.version,
    filled: filled.signal,
    use(model) {
      const old = active?.detector;
      active = model;
      void batch.catch(() => undefined).then(() => old?.dispose());
      const { version } = model.detector;
      metrics.modelLoaded(version, Date.parse(versionCreatedAt(version)));
      filled.abort();
    },
    scoring: (next) => (batch = next),
    empty() {
      active?.detector.dispose();
      active = undefined;
    },
  };
}
