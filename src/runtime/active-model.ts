/** The model of a detector under the settings in force: which version is in use, and how it decides. */
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
  /** At the start. */
  settings: DetectorSettings;
  metrics: ModelLoaderOptions['metrics'] & ModelSlotMetrics;
}

/** Metrics and log of versions that do not come into use: none. */
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
    /** For a version that does not come into use: it is neither logged nor counted. */
    loadQuietly: createModelLoader({ ...options, ...quiet, settings }),
    /** Uses a model from the next batch on, by the settings in force: they may have changed since it was loaded. */
    use: (model: LoadedModel): void => slot.use(withSettings(model, inForce)),
    /**
     * Checks whether the version in use can decide by other settings.
     * @returns takes the settings into force, from the next batch on; call it at once
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
