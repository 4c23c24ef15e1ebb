/** Fingerprints of settings: data stored under one fingerprint is not read under another. */
import { createHash } from 'node:crypto';
import { imageOf } from '../domain/record';
import { modelImage } from '../domain/tiles';
import { chooseFeatures } from '../models/features';
import { chosenStatistics } from './calibration';
import type { DetectorSettings } from './settings';

/** Fingerprint that differs if windows filled under other settings are unusable. */
export function windowFingerprint({ record, fields, window }: DetectorSettings): string {
  const { length, ttlMs, intervalMs, gaps, padding } = window;
  return fingerprintOf({
    channels: record.channels,
    image: imageOf(record) && { ...record.image, ...unlessDefault(record.image) },
    conditions: record.conditions,
    fields,
    window: { length, ttlMs, intervalMs, gaps, padding },
  });
}

/** Fingerprint that differs if a model trained under other settings is unusable. */
export function settingsFingerprint({
  record,
  window,
  model,
  calibration,
  events,
}: DetectorSettings): string {
  const image = imageOf(record);
  const features = chooseFeatures(model.features, image && modelImage(image));
  const relevant = {
    channels: record.channels,
    // Settings that change the pixels. Absent for sensors, so that existing models of sensors stay usable.
    ...(image && {
      image: {
        ...record.image,
        format: undefined,
        maxPixels: undefined,
        ...unlessDefault(record.image),
      },
    }),
    conditions: record.conditions,
    // Absent by default, so that versions from older releases stay usable.
    ...(record.seasons === 'off' && { seasons: record.seasons }),
    // Limits are left out, as a model version does not depend on them.
    signals: record.signals.map(({ channel, kind, direction, deadband }) => ({
      channel,
      // Absent unless configured, so that versions from older releases stay usable.
      ...(kind !== 'auto' && { kind }),
      direction,
      deadband,
    })),
    length: window.length,
    // Settings that change how windows are filled.
    interval: window.intervalMs,
    gaps: window.gaps,
    padding: window.padding,
    // Absent by default, so that versions from older releases stay usable.
    model: { ...model, features: features === 'pixels' ? undefined : features },
    statistics: chosenStatistics(calibration.statistics, image && features),
    acceptAfter: events.acceptAfter,
    // Absent without groups, so that versions from older releases stay usable.
    ...(calibration.groupBy !== '' && { groupBy: calibration.groupBy }),
  };
  return fingerprintOf(relevant);
}

/** Fingerprint of the settings that decide which records are anomalous and which events open, for the same model version. */
export function rulesFingerprint({ record, calibration, events, window }: DetectorSettings): string {
  return fingerprintOf({
    limits: record.signals.map(({ channel, limits }) => [channel, limits]),
    target: calibration.falseAlarmTarget,
    events,
    maxKeys: window.maxKeys,
  }).slice(0, 8);
}

function fingerprintOf(relevant: object): string {
  return createHash('sha256').update(JSON.stringify(relevant)).digest('hex').slice(0, 16);
}

/** Settings of images that are left out if they have their default, so that older versions and state stay usable. */
function unlessDefault({ bits, normalise, tile }: DetectorSettings['record']['image']) {
  return {
    bits: bits || undefined,
    normalise: normalise === 'none' ? undefined : normalise,
    tile: tile || undefined,
  };
}
