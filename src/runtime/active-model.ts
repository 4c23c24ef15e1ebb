/** The model of a detector under the current settings: which version is in use, and how it decides. */
import { isDeepStrictEqual } from 'node:util';
import { configuredThreshold } from '../config/calibration';
import type { DetectorSettings } from '../config/settings';
import {
  createModelLoader,
  watchDrift,
  withSettings,
  type LoadedModel,
  type ModelLoaderOptions,
} from './model-loader';
import { ModelSlot, type ModelSlotMetrics } from './model-slot';

export interface ActiveModelOptions extends Omit<ModelLoaderOptions, 'settings'> {
  /** Settings at the start. */
  settings: DetectorSettings;
  metrics: ModelLoaderOptions['metrics'] & ModelSlotMetrics;
}

/** A loader with these options neither logs nor counts; it is for versions that do not come into use. */
const quiet: Pick<ModelLoaderOptions, 'metrics' | 'log'> = {
  metrics: {
    modelLoadFailed: () => undefined,
    falseAlarmTarget: () => undefined,
    detectionPower: { trained: () => undefined, live: () => undefined },
  },
  log: { info: () => undefined, warn: () => undefined },
};

export function createActiveModel(options: ActiveModelOptions) {
  const { metrics } = options;
  let inForce = options.settings;
  const settings = (): DetectorSettings => inForce;
  const slot = new ModelSlot(metrics);
  return {
    slot,
    settings,
    load: createModelLoader({ ...options, settings }),
    /** Loads a version that does not come into use, without logs and metrics. */
    loadQuietly: createModelLoader({ ...options, ...quiet, settings }),
    /** Uses a model from the next batch on, with the current settings: they may have changed since it was loaded. */
    use: (model: LoadedModel): void => slot.use(withSettings(model, inForce)),
    /**
     * Checks whether the version in use can decide by other settings.
     * @returns a function that applies the settings from the next batch on; call it in the same turn of the event loop
     * @throws RangeError if the target is too rare for the version
     */
    reload(next: DetectorSettings): () => void {
      const active = slot.current();
      const adjusted = active && withSettings(active, next);
      return () => {
        const { drift } = inForce;
        inForce = next;
        if (adjusted === undefined) return;
        const isWatchKept = isDeepStrictEqual(drift, next.drift);
        slot.adjust(isWatchKept ? adjusted : { ...adjusted, drift: watchDrift(next, adjusted.detector) });
        metrics.falseAlarmTarget(configuredThreshold(next, adjusted.detector.state).ratio);
      };
    },
  };
}
