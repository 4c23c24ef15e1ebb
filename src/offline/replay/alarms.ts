/** Alarms among derived detections, as they are or under another false-alarm target. */
import type { FalseAlarmTarget } from '../../calibration/threshold';
import { configuredThreshold, eventPolicy } from '../../config/calibration';
import type { DetectorSettings } from '../../config/settings';
import type { Detection } from '../../domain/detection';
import { createEventTracker } from '../../domain/event';
import { isAnomalous } from '../../pipeline/detection';
import type { Detector } from '../../scoring/detector';

export type AlarmCount = ReturnType<typeof countAlarms>;

/** @param detectorOf the detector of a model version */
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
  let opened = 0;
  for (const detection of detections) {
    const tracker = trackers.get(detection.origin.partition)!;
    const { eventMargin } = configuredThreshold(settings, detectorOf(detection.modelVersion).state);
    opened += tracker.observe(detection, eventMargin).filter(({ status }) => status === 'open').length;
  }
  return {
    /** Records with a derived detection. */
    records: detections.length,
    /** Anomalous records. */
    alarms: detections.filter(({ anomalous }) => anomalous).length,
    /** Events that they open. */
    events: opened,
  };
}

export interface SupposedAlarms extends AlarmCount {
  /** By model version. */
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
