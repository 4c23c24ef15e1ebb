/** Counts alarms among derived detections, for the actual or another false-alarm target. */
import { createSilenceScale } from '../../calibration/gaps';
import type { FalseAlarmTarget } from '../../calibration/threshold';
import { configuredThreshold, eventPolicy } from '../../config/calibration';
import type { DetectorSettings } from '../../config/settings';
import type { Detection } from '../../domain/detection';
import { createEventTracker } from '../../domain/event';
import { silenceRulesOf } from '../../pipeline/decision';
import { isAnomalous } from '../../pipeline/detection';
import type { Detector } from '../../scoring/detector';

export type AlarmCount = ReturnType<typeof countAlarms>;

/** @param detectorOf returns the detector of a model version */
export function countAlarms(
  settings: DetectorSettings,
  detections: readonly Detection[],
  detectorOf: (version: string) => Detector,
) {
  const policy = eventPolicy(settings);
  const partitions = new Set(detections.map(({ origin }) => origin.partition));
  const trackers = new Map(
    [...partitions].map((partition) => {
      const tracker = createEventTracker(policy);
      tracker.divideBudget(partitions.size);
      return [partition, tracker];
    }),
  );
  const rulesOf = new Map<string, ReturnType<typeof rulesFor>>();
  function rulesFor(version: string) {
    const detector = detectorOf(version);
    const { surprise, eventBar } = configuredThreshold(settings, detector.state);
    const { gaps } = detector.state;
    const scale = gaps && createSilenceScale(gaps);
    const silence = scale && silenceRulesOf(settings.detector, detector, scale, surprise + eventBar.margin);
    return { eventBar, silence };
  }
  let opened = 0;
  for (const detection of detections) {
    const { key, timestamp, modelVersion, origin } = detection;
    const rules = rulesOf.get(modelVersion) ?? rulesFor(modelVersion);
    rulesOf.set(modelVersion, rules);
    const tracker = trackers.get(origin.partition)!;
    const events = [
      ...tracker.hear(key, timestamp, rules.silence),
      ...tracker.observe(detection, rules.eventBar),
    ];
    opened += events.filter(({ status }) => status === 'open').length;
  }
  return {
    /** Number of records with a derived detection. */
    records: detections.length,
    /** Number of anomalous records. */
    alarms: detections.filter(({ anomalous }) => anomalous).length,
    /** Number of events that open, those of silent devices included. */
    events: opened,
  };
}

export interface SupposedAlarms extends AlarmCount {
  /** Threshold by model version. */
  threshold: Readonly<Record<string, number>>;
}

/** Counts the alarms that a false-alarm target would have raised. */
export function countAlarmsAt(
  target: FalseAlarmTarget,
  settings: DetectorSettings,
  detections: readonly Detection[],
  detectorOf: (version: string) => Detector,
): SupposedAlarms {
  const supposed = { ...settings, calibration: { ...settings.calibration, falseAlarmTarget: target } };
  const thresholds: Record<string, number> = {};
  const derived = detections.map((one) => {
    const { surprise: threshold } = configuredThreshold(supposed, detectorOf(one.modelVersion).state);
    thresholds[one.modelVersion] = threshold;
    return { ...one, threshold, anomalous: isAnomalous(one.limits, one.surprise, threshold) };
  });
  return { ...countAlarms(supposed, derived, detectorOf), threshold: thresholds };
}
