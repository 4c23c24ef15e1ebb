/** Fingerprints of settings: what was stored under one fingerprint is not read under another. */
import { createHash } from 'node:crypto';
import { imageOf } from '../domain/record';
import type { DetectorSettings } from './settings';

/** Changes when windows that were filled under other settings cannot be used any more. */
export function windowFingerprint({ record, fields, window }: DetectorSettings): string {
  const { length, ttlMs, intervalMs, gaps, padding } = window;
  return fingerprintOf({
    channels: record.channels,
    image: imageOf(record),
    conditions: record.conditions,
    fields,
    window: { length, ttlMs, intervalMs, gaps, padding },
  });
}

/** Changes when a model that was trained under other settings cannot be used any more. */
export function settingsFingerprint({ record, window, model, calibration }: DetectorSettings): string {
  const image = imageOf(record);
  const relevant = {
    channels: record.channels,
    // What decides how the pixels look to the model; for sensors nothing, so that their models stay in use.
    ...(image && { image: { ...record.image, format: undefined, maxPixels: undefined } }),
    conditions: record.conditions,
    // Limits are not part of what a version has learned.
    signals: record.signals.map(({ channel, direction, deadband }) => ({ channel, direction, deadband })),
    length: window.length,
    // What a window may hold beside full records.
    interval: window.intervalMs,
    gaps: window.gaps,
    padding: window.padding,
    model,
    statistics: calibration.statistics,
    // Left out where there is none, so that older versions stay in use.
    ...(calibration.groupBy !== '' && { groupBy: calibration.groupBy }),
  };
  return fingerprintOf(relevant);
}

function fingerprintOf(relevant: object): string {
  return createHash('sha256').update(JSON.stringify(relevant)).digest('hex').slice(0, 16);
}
