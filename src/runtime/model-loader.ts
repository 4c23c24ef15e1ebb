/**
 * Loads a stored model version into a detector that can score: reads, decodes and verifies it, and computes its alarm
 * threshold.
 */
import { createDriftWatch, type DriftWatch } from '../calibration/drift';
import { createSilenceScale } from '../calibration/gaps';
import type { VersionFacts } from '../calibration/gates';
import { targetRatio } from '../calibration/threshold';
import { configuredThreshold, eventPolicy } from '../config/calibration';
import { rulesFingerprint, settingsFingerprint } from '../config/fingerprint';
import type { DetectorSettings } from '../config/settings';
import { createLimitCheck } from '../domain/signal';
import { ModelVersionError } from '../errors';
import type { Logger } from '../logger';
import type { DetectorMetrics } from '../metrics/metrics';
import type { ActiveDetector, RecordRules } from '../pipeline/pipeline';
import type { VerifiedDetector } from '../scoring/bundle';
import {
  meanPower,
  powerByKind,
  powerFields,
  powerMessage,
  readReport,
  type DetectionPower,
} from '../scoring/detection-power';
import type { Detector } from '../scoring/detector';
import type { BundleFiles } from '../store/bundle';
import type { ModelStore } from '../store/model-store';
import { createRandom } from '../tensor';
import { isColdStart } from './cold-start';

/** A stored version that can be used. */
export interface LoadedModel extends ActiveDetector {
  /** Facts that the gates of a trial compare. */
  facts: VersionFacts;
}

/** Rejects with a ModelVersionError if the version must not be used. */
export type LoadModel = (version: string) => Promise<LoadedModel>;

export type DecodeModel = (version: string, files: BundleFiles) => Promise<VerifiedDetector>;

export interface ModelLoaderOptions {
  /** Settings in force. */
  settings: () => DetectorSettings;
  store: Pick<ModelStore, 'read'>;
  decode: DecodeModel;
  metrics: Pick<DetectorMetrics, 'modelLoadFailed' | 'falseAlarmTarget' | 'detectionPower'>;
  log: Pick<Logger, 'info' | 'warn'>;
}

interface Loaded {
  detector: VerifiedDetector;
  /** Detection power at training; undefined if it was not measured. */
  power: DetectionPower | undefined;
  /** Loss on held-out windows at training, nats per window. */
  validationLoss: number | undefined;
}

/**
 * The version with the threshold and rules of the settings.
 * @throws RangeError if the target is too rare for its calibration
 */
export function withSettings(model: LoadedModel, settings: DetectorSettings): LoadedModel {
  const { ratio, surprise, eventBar } = configuredThreshold(settings, model.detector.state);
  return {
    ...model,
    threshold: surprise,
    eventBar,
    rules: recordRules(settings),
    facts: { ...model.facts, target: ratio },
  };
}

function recordRules(settings: DetectorSettings): RecordRules {
  const { channels, signals } = settings.record;
  return {
    name: rulesFingerprint(settings),
    events: eventPolicy(settings),
    limits: createLimitCheck(channels, signals),
  };
}

export function createModelLoader(options: ModelLoaderOptions): LoadModel {
  const { store, decode, metrics, log } = options;

  async function read(version: string): Promise<Loaded> {
    const { files } = await store.read(version);
    const detector = await decode(version, files);
    if (detector.state.settingsFingerprint === settingsFingerprint(options.settings()))
      return { detector, ...readReport(files.get('report.json')) };
    detector.dispose();
    throw new ModelVersionError(
      version,
      'schema',
      'it was trained for other channels, conditions, window or model settings; train a new one',
    );
  }

  function activate({ detector, power, validationLoss }: Loaded): LoadedModel {
    const settings = options.settings();
    const { calibration, channels, counters, gaps, scaler, seasons } = detector.state;
    const { ratio, surprise, eventBar, extrapolated } = configuredThreshold(settings, detector.state);
    if (extrapolated) {
      // The alarm threshold then depends on the fitted tail, not on observed records.
      log.warn('false-alarm target lies beyond the calibration records', {
        target: ratio,
        calibrated: calibration.tail.scores.length,
        independent: Math.round(calibration.effectiveSize),
      });
    }
    if (detector.reach < surprise)
      log.warn('the version can find no anomaly: its training history may contain anomalies', {
        reach: detector.reach,
        threshold: surprise,
      });
    const unseen = channels.filter((_, i) => scaler.count[i] === 0);
    if (unseen.length > 0)
      log.warn('channels without a value in the training data are not scored', { channels: unseen });
    if (counters !== undefined) log.info('channels that only grow are scored by their rate', { counters });
    if (seasons !== undefined)
      log.info('the history has seasons: they are conditions of the model', { seasons });
    const coldStart = isColdStart(detector.state.spec, settings);
    if (coldStart)
      log.warn('cold start: a linear model scores until the configured one is trained', {
        kind: settings.model.kind,
        calibrated: calibration.tail.scores.length,
      });
    if (power !== undefined) log.info(powerMessage, powerFields(power));
    metrics.falseAlarmTarget(ratio);
    metrics.detectionPower.trained(power && powerByKind(power));
    return {
      detector,
      threshold: surprise,
      eventBar,
      rules: recordRules(settings),
      drift: watchDrift(settings, detector),
      silence: gaps && createSilenceScale(gaps),
      power,
      coldStart,
      facts: {
        target: ratio,
        extremalIndex: calibration.extremalIndex,
        reach: detector.reach,
        loss: lossPerValue(validationLoss, detector),
        power: power && meanPower(power),
      },
    };
  }

  return async (version) => {
    try {
      return activate(await read(version));
    } catch (error) {
      if (error instanceof ModelVersionError) metrics.modelLoadFailed(error.reason);
      throw error;
    }
  };
}

/** Loss per value, corrected for the scale: versions with different scales have different losses for the same errors. */
function lossPerValue(perWindow: number | undefined, { state, shape }: Detector): number | undefined {
  if (perWindow === undefined || state.image !== undefined) return undefined;
  const { scale } = state.scaler;
  let logScale = 0;
  for (let j = 0; j < shape.channels; j++) logScale += Math.log(scale[j]!) / shape.channels;
  return perWindow / (shape.length * shape.channels) + logScale;
}

export function watchDrift({ drift, training }: DetectorSettings, { state }: Detector): DriftWatch {
  const random = createRandom(training.seed);
  return createDriftWatch({
    recordsPerFalseStart:
      1 / targetRatio(drift.falseStartTarget, state.recordsPerMs, 'drift.falseStartTarget'),
    independentAfter: state.independentAfter,
    calibrationRecords: state.calibration.tail.scores.length,
    random: () => random.uniform(),
  });
}
