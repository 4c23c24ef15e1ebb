/** Alarms among derived detections, as they are or under another false-alarm target. */
import { alarmThreshold, type FalseAlarmTarget } from '../../calibration/threshold';
import { eventPolicy } from '../../config/calibration';
import type { DetectorSettings } from '../../config/settings';
import type { Detection } from '../../domain/detection';
import { createEventTracker } from '../../domain/event';
import { isAnomalous } from '../../pipeline/detection';
import type { Detector } from '../../scoring/detector';

export type AlarmCount = ReturnType<typeof countAlarms>;

export function countAlarms(settings: DetectorSettings, detections: readonly Detection[]) {
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
    opened += tracker.observe(detection).filter(({ status }) => status === 'open').length;
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
  const thresholds: Record<string, number> = {};
  const thresholdOf = (version: string): number =>
    (thresholds[version] ??= alarmThreshold(target, detectorOf(version).state).surprise);
  const supposed = detections.map((one) => {
    const threshold = thresholdOf(one.modelVersion);
    return { ...one, threshold, anomalous: isAnomalous(one.limits, one.surprise, threshold) };
  });
  return { ...countAlarms(settings, supposed), threshold: thresholds };
}
