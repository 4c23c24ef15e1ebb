/** The levels of a detector's devices, as its configuration says. */
import type { Levels } from './calibration/level';
import type { DetectorSettings } from './config/settings';
import type { Detector } from './scoring/detector';

/** Levels that begin where calibration left them, or nothing where they are not followed. */
export function followLevels(
  detector: Detector,
  { calibration, window }: DetectorSettings,
): { levels?: Levels } {
  if (calibration.levelRecords === 0) return {};
  return { levels: detector.createLevels({ records: calibration.levelRecords, maxKeys: window.maxKeys }) };
}
